import Gateway
import Testing

@Suite struct HostChecksBehaviour {
    private static let wellEquipped: HostFacts = {
        var facts = HostFacts()
        facts.descriptors = HostFacts.DescriptorLimits(soft: 1_024, hard: 1_048_576)
        facts.descriptorsPerProcessMax = 1_048_576
        facts.filesMax = 4_000_000
        facts.backlogMax = 4_096
        facts.tcpPages = [100_000, 150_000, 1_000_000]
        facts.receiveBufferBytes = [4_096, 131_072, 33_554_432]
        facts.sendBufferBytes = [4_096, 16_384, 4_194_304]
        facts.localPorts = [1_024, 65_535]
        facts.ringsDisabled = 0
        facts.processors = 4
        return facts
    }()

    private static func checks(
        connectionsMax: Int? = nil, workers: Int = 1, _ change: (inout HostFacts) -> Void = { _ in }
    ) -> HostChecks {
        var facts = wellEquipped
        change(&facts)
        return HostChecks(facts, connectionsMax: connectionsMax, workers: workers)
    }

    private typealias Verdict = Finding.Verdict

    @Test(arguments: [nil, 1, 60_000])
    func `a well equipped host has nothing to complain of`(connectionsMax: Int?) {
        let findings = Self.checks(connectionsMax: connectionsMax).findings
        #expect(findings.count == 9)
        for finding in findings {
            #expect(finding.verdict == .ok && finding.advice.isEmpty, "\(finding)")
        }
    }

    @Test func `what a kernel doesn't show is no fault`() {
        let findings = HostChecks(HostFacts(), connectionsMax: 1_000, workers: 1).findings
        #expect(findings.allSatisfy { $0.verdict != .failure })
        // Only the descriptor limit is there on every Linux.
        #expect(findings.count { $0.verdict == .warning } == 1)
    }

    @Test(arguments: [(1_048_447, Verdict.ok), (1_048_448, .ok), (1_048_449, .failure)])
    func `a process needs a descriptor for each connection and a reserve`(
        connections: Int, verdict: Finding.Verdict
    ) {
        let finding = Self.checks(connectionsMax: connections).openFiles
        #expect(finding.verdict == verdict)
    }

    @Test func `the advice names the limit, and fs.nr_open where that is in the way`() {
        let low = Self.checks(connectionsMax: 100_000) {
            $0.descriptors = HostFacts.DescriptorLimits(soft: 1_024, hard: 4_096)
        }
        #expect(low.openFiles.advice == "set LimitNOFILE=100128")
        let high = Self.checks(connectionsMax: 2_000_000)
        #expect(high.openFiles.advice.contains("fs.nr_open=2000128, now 1048576"))
    }

    @Test(arguments: [(UInt64(10_127), Verdict.warning), (10_128, .ok), (63, .warning)])
    func `without a number a limit for less than 10,000 is worth a warning`(
        hard: UInt64, verdict: Finding.Verdict
    ) {
        let checks = Self.checks {
            $0.descriptors = HostFacts.DescriptorLimits(soft: 16, hard: hard)
        }
        #expect(checks.openFiles.verdict == verdict)
    }

    @Test func `all workers together have to fit the host's files`() {
        let one = Self.checks(connectionsMax: 1_000_000, workers: 1).filesOfHost
        let four = Self.checks(connectionsMax: 1_000_000, workers: 4).filesOfHost
        #expect(one.verdict == .ok && four.verdict == .failure)
    }

    @Test(arguments: [(4_095, Verdict.warning), (4_096, .ok), (4_097, .ok), (128, .warning)])
    func `a short backlog is worth a warning`(length: Int, verdict: Finding.Verdict) {
        #expect(Self.checks { $0.backlogMax = length }.backlog.verdict == verdict)
    }

    @Test(arguments: [(500_000, Verdict.ok), (500_001, .warning)])
    func `buffers have to suffice for 8 KiB of each connection`(
        connections: Int, verdict: Finding.Verdict
    ) {
        let finding = Self.checks(connectionsMax: connections).tcpMemory
        #expect(finding.verdict == verdict, "\(finding)")
    }

    @Test func `large initial buffers are worth a warning`() {
        let receive = Self.checks { $0.receiveBufferBytes = [4_096, 1_048_576, 1_048_576] }
        let send = Self.checks { $0.sendBufferBytes = [4_096, 65_536, 1_048_576] }
        #expect(receive.socketBuffers.verdict == .warning)
        #expect(send.socketBuffers.verdict == .warning)
    }

    @Test(arguments: [(64_512, Verdict.ok), (64_513, .warning)])
    func `more connections than ports matter to a proxy on the host`(
        connections: Int, verdict: Finding.Verdict
    ) {
        #expect(Self.checks(connectionsMax: connections).localPorts.verdict == verdict)
    }

    @Test(arguments: [
        (nil, 0, Verdict.ok), (nil, 80, .ok), (nil, 81, .warning), (60, 40, .ok),
        (61, 40, .failure), (nil, 200, .warning),
    ])
    func `connection tracking needs room for all`(
        connections: Int?, inUse: Int, verdict: Finding.Verdict
    ) {
        let checks = Self.checks(connectionsMax: connections) {
            $0.trackedConnectionsMax = 100
            $0.trackedConnections = inUse
        }
        #expect(checks.connectionTracking.verdict == verdict)
    }

    @Test(arguments: [(Int?.none, "seccomp"), (0, "seccomp"), (1, "sysctl"), (2, "sysctl")])
    func `without io_uring it works, and the advice names what is in the way`(
        disabled: Int?, way: String
    ) {
        let finding = Self.checks {
            $0.ringFailure = "Operation not permitted"
            $0.ringsDisabled = disabled
        }.ring
        #expect(finding.verdict == .warning)
        #expect(finding.advice.contains(way == "sysctl" ? "kernel.io_uring_disabled=0" : way))
    }

    @Test func `more workers than processors are worth a warning`() {
        #expect(Self.checks(workers: 4).processors.verdict == .ok)
        #expect(Self.checks(workers: 5).processors.verdict == .warning)
    }

    @Test(arguments: [
        ("4096\n", 1, [4_096]), ("4096\t16384\t4194304\n", 3, [4_096, 16_384, 4_194_304]),
        ("18446744073709551615", 1, [Int.max]), ("", 1, nil), ("x", 1, nil), ("1 2", 3, nil),
        ("1 2 3", 2, nil), ("-1", 1, nil),
    ])
    func `sysctls are read as so many numbers or not at all`(
        text: String, count: Int, numbers: [Int]?
    ) {
        #expect(HostFacts.numbers(in: text, count: count) == numbers)
    }

    @Test func `this host can be read`() {
        let facts = HostFacts.read()
        #expect(facts.descriptors != nil)
        #expect(facts.processors >= 1)
    }
}
