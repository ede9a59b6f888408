internal import ArgumentParser
internal import Reactor

/// Measures the parts that run for each delivery, message and connection.
@main
struct MicroBenchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "micro-benchmarks",
        abstract: "Nanoseconds, heap allocations and instructions of the parts of the hot paths.")

    @Flag(help: "A fiftieth of the work: for checking the allocations, not for times.")
    var small = false
    @Option(help: "Compare the allocations with this file; fail if any differs.")
    var thresholds: String?
    @Flag(help: "Print the results as JSON.") var json = false

    func run() throws {
        var meter = Meter(isSmall: small)
        try Codecs.measure(with: &meter)
        try Structures.measure(with: &meter)
        let memory = try PresenceMemory.measure()
        let growth = try PeopleGrowth.measure(isSmall: small)
        if json {
            print(Self.json(meter.results))
        } else {
            Self.printTable(meter.results)
            Self.printTable(memory)
            print("\n\(growth)")
        }
        let large = memory.filter(\.isTooLarge)
        for figure in large {
            print("FAILED: \(figure.shape.name): over \(PresenceMemory.bytesMax) bytes each")
        }
        if growth.isTooSlow { print("FAILED: \(growth)") }
        guard large.isEmpty, !growth.isTooSlow else { throw ExitCode(1) }
        guard let thresholds else { return }
        let differences = try Thresholds(path: thresholds).differences(from: meter.results)
        for difference in differences { print("FAILED: \(difference)") }
        guard differences.isEmpty else { throw ExitCode(1) }
        print("The allocations are as \(thresholds) has them.")
    }

    private static func printTable(_ results: [Measured]) {
        print("\(padded("", 42))       ns   allocations   instructions")
        for result in results {
            let instructions = result.instructions.map { decimal($0) } ?? "-"
            let allocations = Double(result.allocations) / Double(result.operations)
            print(
                padded(result.name, 42) + aligned(decimal(result.nanoseconds), 9)
                    + aligned(decimal(allocations), 14) + aligned(instructions, 15))
        }
    }

    private static func printTable(_ figures: [PresenceMemory.Figure]) {
        print("\n\(padded("bytes of a user who is present in a project", 48)) allocated   resident")
        for figure in figures {
            print(
                padded(figure.shape.name, 48) + aligned(decimal(figure.allocated), 10)
                    + aligned(decimal(figure.resident), 11))
        }
    }

    private static func json(_ results: [Measured]) -> String {
        let entries = results.map { result in
            let instructions = result.instructions.map { decimal($0) } ?? "null"
            return #"{"name":"\#(result.name)","nanoseconds":\#(decimal(result.nanoseconds)),"#
                + #""allocations":\#(result.allocations),"operations":\#(result.operations),"#
                + #""instructions":\#(instructions)}"#
        }
        return "[\(entries.joined(separator: ","))]"
    }

    /// Two decimals.
    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let digits = String(hundredths % 100 + 100).dropFirst()
        return "\(hundredths / 100).\(digits)"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func aligned(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}

struct MicroFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
