package import Reactor

/// Where the primary is, asked of one Sentinel after the other: whose turn it is, and what has come of it.
///
/// A round asks each at most once, and begins behind who was asked last: who led astray isn't the first
/// again. A value without a connection, which is the carrier's.
package struct SentinelSearch {
    private enum Stage {
        case resting
        /// The one at this position is asked.
        case asking(Int)
        case found(RedisHost)
    }

    package let sentinels: RedisSentinels
    private var stage = Stage.resting
    /// Who is asked next, and how many are left in this round.
    private var position = 0
    private var leftCount = 0
    /// What the names of this round led to.
    private var resolved: [ResolvedHost] = []
    private var round = 0
    /// Addresses of the one that is asked which nobody listens at.
    private var unreached = 0
    /// Of this round, in the Sentinels' order.
    private var faults: [SentinelFault?]

    package init(_ sentinels: RedisSentinels) {
        self.sentinels = sentinels
        faults = Array(repeating: nil, count: sentinels.hosts.count)
    }

    /// A round begins.
    package mutating func begin(_ resolved: [ResolvedHost]) {
        self.resolved = resolved
        stage = .resting
        round &+= 1  // It only picks an address; wrapping would be harmless.
        leftCount = sentinels.hosts.count
        for index in faults.indices { faults[index] = nil }
    }

    /// Goes on to the next Sentinel. Returns `false` when each had its turn.
    package mutating func next() -> Bool {
        guard leftCount > 0 else {
            stage = .resting
            return false
        }
        leftCount -= 1
        unreached = 0
        stage = .asking(position)
        position = (position + 1) % sentinels.hosts.count
        return true
    }

    /// What was found isn't looked at any more.
    package mutating func rest() { stage = .resting }

    package var isAsking: Bool {
        if case .asking = stage { return true }
        return false
    }

    package var primary: RedisHost? {
        guard case .found(let primary) = stage else { return nil }
        return primary
    }

    /// Who is asked, or was found.
    package var host: RedisHost? {
        switch stage {
        case .resting: nil
        case .asking(let index): sentinels.hosts[index]
        case .found(let primary): primary
        }
    }

    /// Where the one that is asked is.
    package func address() throws(SentinelFault) -> RedisAddress {
        guard case .asking(let index) = stage else { preconditionFailure("nobody is asked") }
        let host = sentinels.hosts[index]
        if let address = host.address(resolved: resolved, attempt: (round &+ unreached) & Int.max) {
            return address
        }
        let outcome = resolved.first { $0.name == host.name }
        throw .unresolved(outcome?.failure ?? "no address")
    }

    /// At the address of the one that is asked nobody listens. Returns whether it has another one.
    package mutating func turnAddress() -> Bool {
        guard case .asking(let index) = stage else { preconditionFailure("nobody is asked") }
        unreached += 1
        return unreached < sentinels.hosts[index].addressCount(resolved: resolved)
    }

    /// The one that is asked said nothing of use.
    package mutating func failed(_ fault: SentinelFault) {
        guard case .asking(let index) = stage else { preconditionFailure("nobody is asked") }
        faults[index] = fault
    }

    /// Takes the answer of the one that is asked. Returns where the primary is by its word.
    package mutating func answered(_ reply: RedisReply) throws(SentinelFault) -> RedisHost {
        guard isAsking else { preconditionFailure("nobody is asked") }
        switch RedisSentinels.answer(reply) {
        case .primary(let host):
            stage = .found(host)
            return host
        case .unknownName: throw .unknownName
        case .refused(let reason): throw .refused(reason)
        case .odd: throw .odd
        }
    }

    // MARK: For operators

    /// Who was asked in vain in this round, and why; `nil` if nobody was.
    package var report: String? {
        let lines = zip(sentinels.hosts, faults).compactMap { host, fault in
            fault.map { "\(host): \($0)" }
        }
        return lines.isEmpty ? nil : lines.joined(separator: "; ")
    }

    package var advice: String? {
        var heaviest: SentinelFault?
        for case .some(let fault) in faults where fault.weight > heaviest?.weight ?? -1 {
            heaviest = fault
        }
        return heaviest?.advice
    }
}
