internal import Reactor

// Scenarios with a probe: one client of a project of its own, in a process of its own.
extension Conductor {
    /// How often the probe's project has an event while others are busy, in nanoseconds.
    private static let probeInterval: UInt64 = 10_000_000
    /// Between two messages to a quiet server, in nanoseconds.
    private static let pause: UInt64 = 1_000_000

    // MARK: single

    /// Messages go in turn to the server's only client and to a listener without a server, so that
    /// both meet the same conditions and don't disturb each other.
    mutating func single() throws {
        guard let probe, let bareListener else { return }
        pendingConnects.insert(bareListener)  // It tells when it listens.
        try connect(probe, 1, from: 0)
        try alternate(until: now() + UInt64(plan.warmUpSeconds * 1e9))
        beginMeasuring()
        try alternate(until: now() + UInt64(plan.seconds * 1e9))
        guard let measurement else { return }
        let (_, cpu) = endMeasuring(measurement)
        let served = try gather([probe])
        let bare = try gather([bareListener])
        judge(served)
        let delivery = served.histograms[.delivery] ?? LatencyHistogram()
        let roundTrip = served.histograms[.roundTrip] ?? LatencyHistogram()
        let listener = bare.histograms[.bareListener] ?? LatencyHistogram()
        guard delivery.total > 0, listener.total > 0 else {
            result.failures.append("nothing was delivered")
            return
        }
        result.add("delivery", delivery)
        result.add("bare_listener", listener)
        result.add("round_trip", roundTrip)
        let bareMedian = Double(listener.quantile(0.5))
        let median = Double(delivery.quantile(0.5))
        result.add("delivery_to_bare", median / bareMedian, "x")
        if roundTrip.total > 0 {
            // Half a round trip is the way from the server's socket to the client.
            let toSocket = max(0, median - Double(roundTrip.quantile(0.5)) / 2)
            result.add("to_socket_p50", toSocket / 1e3, "us")
            result.add("to_socket_to_bare", toSocket / bareMedian, "x")
        }
        if server != nil {
            result.add("server_cpu_per_message", cpu / 1e3 / Double(delivery.total), "us")
        }
    }

    private mutating func alternate(until deadline: UInt64) throws {
        var isServersTurn = true
        while now() < deadline {
            if isServersTurn {
                try publish(project: plan.probeProject)
            } else {
                try publish(project: plan.bareProject, channel: Listen.channel)
            }
            guard try settle() else { throw Failure("a message did not arrive") }
            if isServersTurn, let probe { team.send(Record(.ping), to: probe) }
            isServersTurn.toggle()
            try wait(until: now() + Self.pause)
        }
    }

    // MARK: fairness

    /// The probe's events during a continuous fan-out to the crowd.
    mutating func fairness() throws {
        guard let probe else { return }
        try connectEveryone()
        try sendWithProbe(until: now() + UInt64(plan.warmUpSeconds * 1e9))
        guard try settle() else { return try reportStall() }
        beginMeasuring()
        try sendWithProbe(until: now() + UInt64(plan.seconds * 1e9))
        guard try settle() else { return try reportStall() }
        guard let measurement else { return }
        let (seconds, _) = endMeasuring(measurement)
        let own = ProcessFigures.current().cpuNanoseconds - measurement.ownCPU
        let crowd = try gather(Array(0..<plan.crowdSize))
        let probed = try gather([probe])
        judge(crowd)
        judge(probed)
        result.add("deliveries_per_second", Double(crowd[.deliveries]) / seconds, "1/s")
        result.add("probe", probed.histograms[.delivery] ?? LatencyHistogram())
        result.add("last_receiver", lastReceiver, milliseconds: true)
        noteLoader(crowd, seconds: seconds, own: own)
    }

    private mutating func sendWithProbe(until deadline: UInt64) throws {
        // Two under way: the server always has a next one.
        for _ in 0..<max(2, plan.depth) { try publish(project: 0, count: plan.burst) }
        var nextProbe = now()
        var lastHeard = now()
        while now() < deadline {
            progress.show("round \(completed)")
            let time = now()
            if time >= nextProbe {
                try publish(project: plan.probeProject)
                // Not in step with anything.
                nextProbe = time + UInt64.random(in: Self.probeInterval...Self.probeInterval * 2)
            }
            let patience = nextProbe - min(nextProbe, now())
            if let message = try team.next(within: patience) {
                lastHeard = now()
                if take(message) == 0 { try publish(project: 0, count: plan.burst) }
            }
            guard now() - lastHeard < Self.stallNanoseconds else { return }
        }
    }

    // MARK: handshake

    /// Opens the whole crowd at once; meanwhile the probe has an event every few milliseconds.
    mutating func handshake() throws {
        guard let probe else { return }
        try connect(probe, 1, from: 0)
        beginMeasuring()
        for member in 0..<plan.crowdSize {
            let block = plan.block(of: member)
            begin(
                member,
                Record(.connect, UInt64(block.count), UInt64(block.lowerBound % plan.projects)))
        }
        var nextProbe = now()
        var lastHeard = now()
        while !pendingConnects.isEmpty {
            progress.show("connected \(opened.reduce(0, +)) of \(plan.clients)")
            if now() >= nextProbe {
                try publish(project: plan.probeProject)
                nextProbe = now() + Self.probeInterval
            }
            let patience = nextProbe - min(nextProbe, now())
            if let message = try team.next(within: patience) {
                if message.record.kind != .done { lastHeard = now() }
                take(message)
                if message.record.kind == .connected { pendingConnects.remove(message.member) }
            }
            guard now() - lastHeard < Self.stallNanoseconds else {
                throw Failure("connecting has stopped at \(opened.reduce(0, +))")
            }
        }
        guard let measurement else { return }
        let (seconds, cpu) = endMeasuring(measurement)
        let own = ProcessFigures.current().cpuNanoseconds - measurement.ownCPU
        guard try settle() else { return try reportStall() }
        let crowd = try gather(Array(0..<plan.crowdSize))
        let probed = try gather([probe])
        judge(crowd)
        judge(probed)
        result.add("upgrades_per_second", Double(plan.clients) / seconds, "1/s")
        if server != nil {
            result.add("server_cpu_per_upgrade", cpu / 1e3 / Double(plan.clients), "us")
        }
        result.add("handshake", crowd.histograms[.handshake] ?? LatencyHistogram())
        result.add("probe", probed.histograms[.delivery] ?? LatencyHistogram())
        noteLoader(crowd, seconds: seconds, own: own)
    }
}
