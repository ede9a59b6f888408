internal import Reactor

// Scenarios about what connections cost that do nothing, do nothing right, or don't stay.
extension Conductor {
    /// Clients after which memory is first read: what the server allocates once is there by then.
    static let warmUpClients = 200

    /// Until freed memory and the last packets are where they stay, in nanoseconds.
    private static let rest: UInt64 = 1_500_000_000

    // MARK: idle

    mutating func idle() throws {
        guard let server else { throw Failure("idle needs --server-pid") }
        try connect(0, Self.warmUpClients, from: 0)
        try wait(until: now() + Self.rest)
        let before = server.residentBytes
        beginMeasuring()
        try connectCrowd()
        try wait(until: now() + Self.rest)
        let after = server.residentBytes
        let report = try gather()
        judge(report)
        let growth = Double(after) - Double(before)
        result.add("memory_per_connection", growth / Double(plan.clients), "B")
        result.add("memory_before", Double(before) / 1_048_576, "MiB")
        result.add("memory_after", Double(after) / 1_048_576, "MiB")
    }

    // MARK: idlecpu

    mutating func idleCPU() throws {
        try connectEveryone()
        try wait(until: now() + Self.rest)
        beginMeasuring()
        try wait(until: now() + UInt64(plan.seconds * 1e9))
        guard let measurement else { return }
        _ = endMeasuring(measurement)
        let report = try gather()
        judge(report)
        result.add("keepalives", Double(report[.keepalives]), "")
    }

    // MARK: slow

    /// Some clients stop reading while everybody else goes on, and read again at the end. They may
    /// get everything, or be told that they missed something, or be thrown out.
    mutating func slow() throws {
        try connectEveryone()
        try sendInTurn(until: now() + UInt64(plan.warmUpSeconds * 1e9))
        guard try settle() else { return try reportStall() }
        let before = server?.residentBytes ?? 0
        beginMeasuring()
        team.broadcast(Record(.pause, UInt64(plan.slowShare)))
        try sendInTurn(until: now() + UInt64(plan.seconds * 1e9))
        guard try settle() else { return try reportStall() }
        guard let measurement else { return }
        let (seconds, cpu) = endMeasuring(measurement)
        let own = ProcessFigures.current().cpuNanoseconds - measurement.ownCPU
        let after = server?.residentBytes ?? 0
        let sent = Double(completed * plan.burst)
        team.broadcast(Record(.resume))
        try wait(until: now() + 2 * Self.rest)
        try publish(project: 0, count: plan.burst)
        try wait(until: now() + Self.rest)
        let report = try gather()
        judge(report, allowsResyncs: true)
        result.add("messages_per_second", sent / seconds, "1/s")
        result.add("messages", sent, "")
        if server != nil {
            result.add("server_cpu_per_message", cpu / 1e3 / max(1, sent), "us")
            result.add(
                "memory_growth", (Double(after) - Double(before)) / 1_048_576, "MiB")
        }
        result.add("slow_clients", Double(report[.slowClients]), "")
        result.add("slow_complete", Double(report[.slowComplete]), "")
        result.add("slow_told", Double(report[.slowTold]), "")
        result.add("slow_disconnected", Double(report[.disconnects]), "")
        result.add("last_receiver", lastReceiver, milliseconds: true)
        noteLoader(report, seconds: seconds, own: own)
    }

    // MARK: churn

    /// Clients are reset and come back while a fan-out to the others goes on.
    mutating func churn() throws {
        try connectEveryone()
        let unstable = max(1, plan.clients / 10)
        begin(0, Record(.connectUnstable, UInt64(unstable), 0))
        try awaitConnections()
        try sendInTurn(until: now() + UInt64(plan.warmUpSeconds * 1e9))
        guard try settle() else { return try reportStall() }
        let before = server?.residentBytes ?? 0
        beginMeasuring()
        team.send(Record(.churn, UInt64(plan.resetsPerSecond)), to: 0)
        try sendInTurn(until: now() + UInt64(plan.seconds * 1e9))
        team.send(Record(.churn, 0), to: 0)
        guard try settle() else { return try reportStall() }
        guard let measurement else { return }
        let (seconds, _) = endMeasuring(measurement)
        let own = ProcessFigures.current().cpuNanoseconds - measurement.ownCPU
        try wait(until: now() + Self.rest)
        let after = server?.residentBytes ?? 0
        let report = try gather()
        judge(report)
        result.add("reconnects_per_second", Double(report[.reconnects]) / seconds, "1/s")
        result.add("deliveries_per_second", Double(report[.deliveries]) / seconds, "1/s")
        if server != nil {
            result.add("memory_growth", (Double(after) - Double(before)) / 1_048_576, "MiB")
        }
        result.add("handshake", report.histograms[.handshake] ?? LatencyHistogram())
        result.add("last_receiver", lastReceiver, milliseconds: true)
        noteLoader(report, seconds: seconds, own: own)
    }
}
