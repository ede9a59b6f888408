internal import CAllocationCounter
internal import Reactor

/// What one operation costs.
struct Measured {
    let name: String
    /// Of the fastest round: what disturbs a round only adds to it.
    let nanoseconds: Double
    /// Exactly, of all operations of a round; the same in each.
    let allocations: UInt64
    /// How many operations those are.
    let operations: Int
    /// `nil` where the system doesn't tell.
    let instructions: Double?
}

/// Runs operations in rounds and reads the counters around them.
struct Meter {
    /// How many operations a round has, as a share of what a benchmark asks for.
    let share: Double
    private let rounds: Int
    private let instructionCounter: Int32
    private(set) var results: [Measured] = []

    init(isSmall: Bool) {
        share = isSmall ? 0.02 : 1
        rounds = isSmall ? 3 : 9
        instructionCounter = instruction_counter_open()
    }

    /// Measures `operation`, which gets how often it is to do its thing. A round before the others
    /// lets buffers grow to their size.
    mutating func measure(_ name: String, operations wanted: Int, _ operation: (Int) -> Void) {
        let operations = max(1, Int(Double(wanted) * share))
        operation(operations)
        var fastest = UInt64.max
        var allocations = UInt64.max
        var instructions = UInt64.max
        for _ in 0..<rounds {
            let allocationsBefore = allocation_count()
            let instructionsBefore = instructionsNow()
            let began = Clock.monotonic()
            operation(operations)
            let ended = Clock.monotonic()
            instructions = min(instructions, instructionsNow() - instructionsBefore)
            allocations = min(allocations, allocation_count() - allocationsBefore)
            fastest = min(fastest, ended.nanoseconds(since: began))
        }
        results.append(
            Measured(
                name: name, nanoseconds: Double(fastest) / Double(operations),
                allocations: allocations, operations: operations,
                instructions: instructionCounter >= 0
                    ? Double(instructions) / Double(operations) : nil))
    }

    private func instructionsNow() -> UInt64 {
        instructionCounter >= 0 ? instruction_counter_read(instructionCounter) : 0
    }
}

/// Takes a value in such a way that the compiler can't tell that it isn't needed.
@inline(never)
@_optimize(none)
func consume(_ value: Int) {}
