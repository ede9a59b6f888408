internal import Gateway

// Messages of the gateway: events and resyncs, of which each must be one that was due.
extension Hearing {
    mutating func hearText(
        _ text: ArraySlice<UInt8>, _ ledger: Ledger
    ) throws(Violation) {
        if text.starts(with: #"{"type":"cache_invalidate""#.utf8), text.suffix(3) == Self.eventEnd {
            try hearEvent(text, time: text.suffix(10).prefix(6), ledger)
            return
        }
        guard let object = FlatObject(text), let type = object["type"] else {
            throw Violation(.message, "\(String(decoding: text, as: UTF8.self)) isn't a message")
        }
        switch type {
        case "cache_invalidate":
            if object["cursor"] == nil {
                try hearResync(object, ledger)
            } else {
                let data = ArraySlice((object["data"] ?? "").utf8)
                try hearEvent(text, time: data.suffix(9).prefix(6), ledger)
            }
        case "ping", "ready": break
        case "pong":
            guard !isLawless else { return }
            let reference = object["ref"].flatMap { Int($0) }
            guard case .pongText(let expected)? = expectations.first, expected == reference else {
                throw Violation(.answer, "a pong where \(next) was due")
            }
            expectations.removeFirst()
        case "presence_state", "presence_diff":
            try hearPresence(String(decoding: text, as: UTF8.self), object)
        case "typing": try hearTyping(object)
        case "direct": try hearDirect(object)
        case "acked", "receipt":
            guard asksForDirect else { throw Violation(.direct, "told of \(object.members)") }
        case "ok", "error": try hearOutcome(type, object, ledger)
        default: throw Violation(.message, "a message of type \(type)")
        }
    }

    private static let eventEnd = ArraySlice(#""}}"#.utf8)

    /// - Parameter time: the last digits of the event's time, which say which one it is.
    private mutating func hearEvent(
        _ text: ArraySlice<UInt8>, time: ArraySlice<UInt8>, _ ledger: Ledger
    ) throws(Violation) {
        guard let number = Int(String(decoding: time, as: UTF8.self)),
            number < ledger.events.count
        else { throw Violation(.message, "an event of which the database knows nothing") }
        let event = ledger.events[number]
        let isWithoutCursor = text.elementsEqual(event.loggedMessage)
        let isLogged = facts.hasEventLog && isWithoutCursor && !event.isForged
        let isAnnounced = facts.hasEventLog ? isBounded(text, event, ledger) : isWithoutCursor
        guard isLogged || isAnnounced && event.place != nil else {
            throw Violation(.message, "an event that isn't what was announced")
        }
        let isResuming = isLogged && resumes.contains { $0.project == event.project }
        guard subscriptions[event.project] != nil || isResuming || isLawless else {
            throw Violation(.subscription, "event \(number) of project \(event.project)")
        }
        // The event log has the last end of a project only, and that is told to all who were in it.
        let isEndOfProject = isLogged && event.resource == "projects"
        if facts.checksMembership, user != nil || !isLawless, !isEndOfProject {
            guard let user, ledger.wasMember(user, of: event.project, since: event.commit) else {
                throw Violation(.membership, "event \(number) of project \(event.project)")
            }
        }
        if isLogged {
            hearLogged(number, ledger)
            return
        }
        guard let place = event.place else { return }
        eventCount += 1
        // When it joined and left isn't known any more.
        guard !isLawless else { return }
        subscriptions[event.project]?.hearLogged(ledger.lostForgedPlaces(of: event.project))
        try subscriptions[event.project]?.hear(
            place, mayBeMissing: { ledger.mayBeMissing($0, of: event.project) })
    }

    /// Whether it is the event's message with a cursor by which nothing is passed over.
    private func isBounded(
        _ text: ArraySlice<UInt8>, _ event: Ledger.Event, _ ledger: Ledger
    ) -> Bool {
        let begin = event.loggedMessage.dropLast() + Array(#","cursor":""#.utf8)
        guard text.starts(with: begin), text.suffix(2).elementsEqual(#""}"#.utf8) else {
            return false
        }
        let digits = String(decoding: text.dropFirst(begin.count).dropLast(2), as: UTF8.self)
        return Int(digits).map { $0 <= ledger.heardCommit + 1 } ?? false
    }

    private mutating func hearLogged(_ number: Int, _ ledger: Ledger) {
        let project = ledger.events[number].project
        let places = ledger.places(coveredBy: number)
        subscriptions[project]?.hearLogged(places)
        for position in resumes.indices where resumes[position].project == project {
            resumes[position].subscription.hearLogged(places)
        }
    }

    private mutating func hearResync(
        _ object: FlatObject, _ ledger: Ledger
    ) throws(Violation) {
        guard object["action"] == "RESYNC", let resource = object["resource"],
            let project = Names.number(object["project_id"])
        else { throw Violation(.message, "\(object.members)") }
        let isResuming = resumes.contains { $0.project == project }
        guard subscriptions[project] != nil || isResuming || isLawless else {
            throw Violation(.subscription, "a resync of project \(project)")
        }
        guard !isLawless else { return }
        let placesTaken = ledger.placesTaken[project]
        try subscriptions[project]?.hearResync(of: resource, placesTaken: placesTaken)
        for position in resumes.indices where resumes[position].project == project {
            // Another resync may be half through.
            guard resumes[position].subscription.isInResync || resource == "project_members"
            else { continue }
            try resumes[position].subscription.hearResync(of: resource, placesTaken: placesTaken)
        }
    }
}
