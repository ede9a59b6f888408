internal import Gateway
internal import Reactor

/// Mistakes that can be planted in a world, on paths that are seldom taken: what shows that the oracle
/// would notice such a one of the gateway.
package enum PlantedFault: String, CaseIterable, Sendable {
    /// A client that was too slow doesn't get its resync.
    case losesResync
    /// A removal isn't heard of while a question about memberships is under way.
    case losesRemoval
    /// What is announced while missed events are read reaches nobody.
    case losesWhatComesMeanwhile
    /// Something of a client that was too slow is never given back.
    case leaksSegment
    /// A change of who is present doesn't reach those who are told of it.
    case losesPresence
    /// What is announced of direct messages isn't heard.
    case losesDirect
    /// A gateway that has missed who is present elsewhere never gets it.
    case losesPeopleParts
    /// What a killed gateway once said is said again and again.
    case raisesTheDead
    /// A gateway that was silent for 10 s is taken for one that has ended.
    case endsTheSilent

    /// What is in the bytes that vanish on their way to a client.
    var lostText: String? {
        switch self {
        case .losesResync: "slow_consumer"
        case .losesPresence: "presence_diff"
        case .losesRemoval, .losesWhatComesMeanwhile, .leaksSegment, .losesDirect,
            .losesPeopleParts, .raisesTheDead, .endsTheSilent:
            nil
        }
    }
}

extension World {
    /// Whether the planted mistake keeps the notification from the gateway.
    func loses(_ notification: Ledger.Notification) -> Bool {
        guard case .event(let number) = notification else { return false }
        let event = database.ledger.events[number]
        switch facts.plantedFault {
        case .losesRemoval:
            return event.resource == "project_members" && !event.isInsertion
                && !database.queries.isEmpty
        case .losesWhatComesMeanwhile: return !database.reads.isEmpty
        case .losesResync, .leaksSegment, .losesPresence, .losesDirect, .losesPeopleParts,
            .raisesTheDead, .endsTheSilent, nil:
            return false
        }
    }

    /// After a flush in which clients may have been collapsed.
    mutating func leak(collapsedBefore: UInt64) {
        guard facts.plantedFault == .leaksSegment,
            core.metrics.collapsedClients > collapsedBefore
        else { return }
        _ = core.outbox.segments.make(capacity: 1)
    }
}

extension SimulatedKernel {
    /// Whether the planted mistake lets the bytes vanish.
    static func isLost(_ bytes: [UInt8], _ text: String) -> Bool {
        String(decoding: bytes, as: UTF8.self).contains(text)
    }
}
