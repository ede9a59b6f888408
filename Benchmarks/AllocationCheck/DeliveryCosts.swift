internal import Gateway
internal import Reactor

/// What a change of presence that is delivered takes of the processor beside an event that is: by turns, in one
/// process, to the same clients, since the machine's minutes differ more than the two do.
enum DeliveryCosts {
    private static let clientCount = 128
    private static let warmUpRounds = 200
    private static let measuredRounds = 3_000

    static func measure() throws {
        var state = try SteadyState(clientCount: clientCount)
        try state.open(clientCount, ofOneUser: false)
        state.everybodySends(presence(#""ref":1"#))
        // Whoever says something of itself is told the whole list, unless it wants no list.
        state.firstSends(presence(#""mode":"count""#))
        for _ in 0..<5 { _ = state.turn(milliseconds: 1_000) }
        let payload = AllocationCheck.payload(of: SteadyState.project)
        let pong = AllocationCheck.frame(0x8A, "")
        var events: [Double] = []
        var changes: [Double] = []
        for round in -warmUpRounds..<measuredRounds {
            // Nobody is pinged then.
            state.everybodySends(pong)
            let event = event(payload, &state)
            let change = change(isAway: round & 1 == 0, &state)
            guard round >= 0 else { continue }
            events.append(event)
            changes.append(change)
        }
        let ratios = zip(changes, events).map { $0 / $1 }
        print(
            "an event delivered: \(whole(median(events))) ns; a change of presence:"
                + " \(whole(median(changes))) ns; \(percent(median(ratios))) % of it in the same round"
        )
    }

    /// Nanoseconds for each client that an event is delivered to.
    private static func event(_ payload: [UInt8], _ state: inout SteadyState) -> Double {
        let before = state.core.metrics.deliveries
        let began = Clock.processorNanoseconds()
        state.core.notify(payload.span)
        let notified = Clock.processorNanoseconds() - began
        _ = state.turn(milliseconds: 500)
        let count = state.core.metrics.deliveries - before
        precondition(count == UInt64(clientCount))
        return Double(notified + state.outboundNanoseconds) / Double(count)
    }

    /// The same of a change of the first user's state, which is told to the others; the first is told the number of users
    /// instead.
    private static func change(isAway: Bool, _ state: inout SteadyState) -> Double {
        let before = state.core.metrics.presenceMessages[.diff]
        state.firstSends(presence(#""mode":"count","state":"\#(isAway ? "away" : "active")""#))
        // It is told when its time has come, all in one turn.
        for milliseconds: UInt64 in [600, 1] {
            _ = state.turn(milliseconds: milliseconds)
            let count = state.core.metrics.presenceMessages[.diff] - before
            guard count > 0 else { continue }
            precondition(count == UInt64(clientCount - 1))
            return Double(state.outboundNanoseconds) / Double(count)
        }
        preconditionFailure("a change of presence was told to nobody")
    }

    private static func presence(_ rest: String) -> [UInt8] {
        AllocationCheck.frame(
            0x81, #"{"type":"presence","project_id":"\#(SteadyState.project)",\#(rest)}"#)
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    private static func whole(_ value: Double) -> Int { Int(value.rounded()) }
    private static func percent(_ ratio: Double) -> Int { whole(ratio * 100) }
}
