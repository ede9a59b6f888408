internal import ArgumentParser
internal import Gateway
internal import Glibc
internal import Simulation

/// Plays many seeds, or one again, and shrinks what fails.
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scripts/simulate",
        abstract: "Plays the gateway's core in made-up worlds, one for each seed.")

    @Argument(help: "Seeds to play.")
    var count: UInt64 = 10_000

    @Option(help: "The first seed.")
    var from: UInt64 = 1

    @Option(help: "Play this seed alone, and print its script.")
    var seed: UInt64?

    @Option(help: "A mistake to plant: \(PlantedFault.allCases.map(\.rawValue)).")
    var plant: String?

    @Flag(help: "Print each seed before it is played, for one that ends the process.")
    var eachSeed = false

    @Flag(help: "Go on after a seed that fails, and shrink none.")
    var keepGoing = false

    @Flag(help: "Plant each mistake, and expect that it is found and shrunk.")
    var checkAlarm = false

    func run() throws {
        if checkAlarm { try checkEachAlarm() }
        let fault = plant.flatMap(PlantedFault.init)
        if let seed {
            let script = Script(seed: seed, plantedFault: fault)
            print(script)
            let outcome = try Simulation.play(script)
            print("digest \(outcome.transcript.digest), \(outcome.transcript.byteCount) bytes")
            guard outcome.violation != nil else {
                print("Seed \(seed): everything holds.")
                return
            }
            try explain(seed, script)
        }
        try playAll(fault)
    }

    private func playAll(_ fault: PlantedFault?) throws {
        let began = ContinuousClock.now
        var bytes = 0
        var failures = 0
        for seed in from..<from + count {
            if eachSeed {
                print("seed \(seed)")
                fflush(nil)
            }
            let outcome = try Simulation.play(seed: seed, plantedFault: fault)
            bytes += outcome.transcript.byteCount
            if let violation = outcome.violation {
                failures += 1
                print("Seed \(seed) FAILED: \(violation)")
                if keepGoing { continue }
                try explain(seed, Script(seed: seed, plantedFault: fault))
            }
        }
        let elapsed = ContinuousClock.now - began
        let seconds =
            Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        print(
            "\(count) seeds from \(from): "
                + (failures == 0 ? "everything holds. " : "\(failures) FAILED. ")
                + "\(Int(seconds)) s, "
                + "\(Int(Double(count) / seconds)) seeds a second, "
                + "\(bytes >> 20) MiB judged.")
        if failures > 0 { throw ExitCode.failure }
    }

    private func checkEachAlarm() throws {
        for fault in PlantedFault.allCases {
            guard let found = try Alarm.check(fault, seeds: from..<from + count) else {
                print("\(fault.rawValue) was NOT FOUND in \(count) seeds.")
                throw ExitCode.failure
            }
            print("\(fault.rawValue): \(found)")
        }
        throw ExitCode.success
    }

    private func explain(_ seed: UInt64, _ script: Script) throws -> Never {
        guard let shrunk = try Shrinker.shrink(script) else {
            print("Seed \(seed) failed, and didn't fail again: something isn't deterministic.")
            throw ExitCode(2)
        }
        print(shrunk.violation)
        print("The shortest script that fails so, \(shrunk.shortest.actions.count) actions:")
        print(shrunk.shortest)
        _ = try Simulation.play(shrunk.shortest, isTraced: true)
        print("Again: scripts/simulate --seed \(seed)")
        throw ExitCode.failure
    }
}
