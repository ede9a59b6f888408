internal import Reactor

// Where Sentinels say where Redis is. They are asked over the publisher's connection, before it leads there:
// what they say is believed no further than that the ROLE of what is there is asked next.
extension RedisCarrier {
    /// The names that have to be looked up; `nil` while none are waited for.
    var namesToResolve: [String]? {
        guard isResolving else { return nil }
        return search?.primary.map { [$0.name] } ?? target.namesToResolve
    }

    /// The primary, and who was asked for it in vain.
    var found: (primary: String, inVain: String?)? {
        guard let search, let primary = search.primary else { return nil }
        return (primary.description, search.report)
    }

    /// A round of questions, with what the Sentinels' names led to.
    mutating func beginSearch(_ hosts: [ResolvedHost], _ now: Instant) -> CarrierStep {
        search?.begin(hosts)
        return askSentinel(now)
    }

    /// Asks the next one; the attempt is over when each had its turn.
    private mutating func askSentinel(_ now: Instant) -> CarrierStep {
        while search?.next() == true {
            if let step = ask(now) { return step }
        }
        return giveUp(
            .sentinels(report: search?.report ?? "nobody was asked", advice: search?.advice), now)
    }

    /// Asks the same one, at another address of it.
    mutating func askAgain(_ now: Instant) -> CarrierStep {
        close()
        return ask(now) ?? askSentinel(now)
    }

    /// Asks the one whose turn it is; `nil` if it has no address.
    private mutating func ask(_ now: Instant) -> CarrierStep? {
        let address: RedisAddress?
        do throws(SentinelFault) {
            address = try search?.address()
        } catch {
            note(error)
            return nil
        }
        guard let address else { return nil }
        lifecycle.goOn(resolving: false, within: Limits.busSentinelNanoseconds, now)
        return attempt(now) { (carrier: inout RedisCarrier) throws(RedisFault) in
            try carrier.open(sentinel: address)
        }
    }

    private mutating func open(sentinel address: RedisAddress) throws(RedisFault) {
        guard let sentinels = search?.sentinels else { return }
        publisher = try open(address)
        beginQuestions()
        if sentinels.areAuthenticated, let words = authentication {
            try ask(.authenticate, words)
        }
        try ask(.sentinel, sentinels.question)
        try publisher?.flush()
    }

    private mutating func note(_ fault: SentinelFault) {
        sentinelFaults &+= 1
        search?.failed(fault)
    }

    /// The one that is asked is of no use: the next one, at once.
    mutating func passOver(_ fault: SentinelFault, _ now: Instant) -> CarrierStep {
        note(fault)
        close()
        return askSentinel(now)
    }

    /// Leaves the Sentinel for what it has named.
    mutating func answeredBySentinel(_ reply: RedisReply, _ now: Instant) -> CarrierStep {
        let primary: RedisHost?
        do throws(SentinelFault) {
            primary = try search?.answered(reply)
        } catch {
            return passOver(error, now)
        }
        close()
        let resolves = primary?.nameToResolve != nil
        lifecycle.goOn(resolving: resolves, within: Limits.busConnectingNanoseconds, now)
        return resolves ? .nothing : connect([], now)
    }
}
