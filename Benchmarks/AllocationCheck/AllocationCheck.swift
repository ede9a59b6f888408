internal import CAllocationCounter
internal import Gateway
internal import Glibc
internal import Reactor

/// Counts what the steady state allocates, and fails when an operation that happens for each
/// message, delivery or ping allocates anything.
@main
struct AllocationCheck {
    private static let clientCount = 128
    private static let warmUpRounds = 50
    private static let measuredRounds = 500

    private var failures = 0

    static func main() throws {
        guard !CommandLine.arguments.contains("--costs") else {
            try DeliveryCosts.measure()
            return
        }
        var check = AllocationCheck()
        try check.run()
        if check.failures > 0 {
            print("FAILED: \(check.failures) operations allocate.")
            exit(1)
        }
        print("Nothing of the steady state allocates.")
    }

    private mutating func run() throws {
        Self.checkCounters()
        var state = try SteadyState(clientCount: Self.clientCount)
        try state.open(Self.clientCount)
        deliver(&state, "delivery, sent directly")
        answer(&state, "ping frame", Self.frame(0x89, "0123456789"))
        answer(&state, "message ping", Self.frame(0x81, #"{"type":"ping"}"#))
        answer(
            &state, "message join_project, joined already",
            Self.frame(
                0x81,
                #"{"type":"join_project","project_id":"\#(SteadyState.project)","ref":7}"#))
        answer(
            &state, "message in two fragments",
            Self.frame(0x01, #"{"type":"#) + Self.frame(0x80, #""ping"}"#))
        let unheard = Self.payload(of: ProjectID(high: 9, low: 9))
        measure("notification without audience", perRound: 1, on: &state) { state in
            state.core.notify(unheard.span)
            return state.turn() == 0
        }
        keepAlive(&state)

        let both =
            #"{"type":"join_project","project_id":"\#(SteadyState.otherProject)","keep":true}"#
        state.everybodySends(Self.frame(0x81, both))
        _ = state.turn()
        deliver(&state, "delivery, to clients of two projects")
    }

    /// Counters that are never reached would let everything pass.
    private static func checkCounters() {
        let before = allocation_count()
        let block = [UInt8](repeating: UInt8.random(in: 0...255), count: 1_000)
        precondition(block.count == 1_000 && allocation_count() > before)
    }

    // MARK: Operations

    private mutating func deliver(_ state: inout SteadyState, _ name: String) {
        let payload = Self.payload(of: SteadyState.project)
        measure(name, perRound: state.clientCount, on: &state) { state in
            state.core.notify(payload.span)
            return state.turn() > 0
        }
    }

    private mutating func answer(_ state: inout SteadyState, _ name: String, _ bytes: [UInt8]) {
        measure(name, perRound: state.clientCount, on: &state) { state in
            state.everybodySends(bytes)
            return state.turn() > 0
        }
    }

    /// One round is a minute of the clock, in which everybody gets a ping and answers it.
    private mutating func keepAlive(_ state: inout SteadyState) {
        let pong = Self.frame(0x8A, "")
        measure("keepalive", perRound: state.clientCount, on: &state) { state in
            var received = 0
            for _ in 0..<10 {
                received += state.turn(milliseconds: 6_000)
                state.everybodySends(pong)
            }
            return received > 0
        }
    }

    /// - Parameter body: one round; whether it had the effect that it should have.
    private mutating func measure(
        _ name: String, perRound: Int, on state: inout SteadyState,
        _ body: (inout SteadyState) -> Bool
    ) {
        for _ in 0..<Self.warmUpRounds { precondition(body(&state)) }
        let before = allocation_count()
        let retainsBefore = retain_count()
        var isEffective = true
        for _ in 0..<Self.measuredRounds where !body(&state) { isEffective = false }
        let allocations = allocation_count() - before
        let retains = retain_count() - retainsBefore
        precondition(isEffective)
        let count = Self.measuredRounds * perRound
        print("\(allocations) allocations and \(retains) retains in \(count): \(name)")
        if allocations > 0 { failures += 1 }
    }

    // MARK: Input

    static func payload(of project: ProjectID) -> [UInt8] {
        Array(
            (#"{"resource":"tasks","id":"3f333df6-90a4-4fda-8dd3-9485d27cee36","action":"UPDATE","#
                + #""project_id":"\#(project)","timestamp":"2026-01-02T03:04:05.000006Z"}"#).utf8)
    }

    /// A client's frame of up to 125 bytes, with a key of zero.
    static func frame(_ first: UInt8, _ payload: String) -> [UInt8] {
        [first, 0x80 | UInt8(payload.utf8.count), 0, 0, 0, 0] + Array(payload.utf8)
    }
}
