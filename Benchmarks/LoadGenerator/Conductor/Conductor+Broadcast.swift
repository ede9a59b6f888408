internal import CEpollShim
internal import Reactor

// Fan-outs of all kinds: one project or many, one message a transaction or many, closed or open
// loop.
extension Conductor {
    mutating func broadcast() throws {
        try connectEveryone()
        try send(until: now() + UInt64(plan.warmUpSeconds * 1e9))
        guard try settle() else { return try reportStall() }
        beginMeasuring()
        try send(until: now() + UInt64(plan.seconds * 1e9))
        guard try settle() else { return try reportStall() }
        try reportDeliveries()
    }

    private mutating func send(until deadline: UInt64) throws {
        if plan.deliveriesPerSecond > 0 {
            try sendAtRate(until: deadline)
        } else {
            try sendInTurn(until: deadline)
        }
    }

    /// Closed loop: the next project's message when the last client has one of those before.
    mutating func sendInTurn(until deadline: UInt64) throws {
        var project = 0
        for _ in 0..<plan.depth { try sendNext(&project) }
        while now() < deadline {
            progress.show("round \(completed)")
            guard let message = try team.next(within: Self.stallNanoseconds) else { return }
            if take(message) != nil { try sendNext(&project) }
        }
    }

    private mutating func sendNext(_ project: inout Int) throws {
        try publish(project: project, count: plan.burst)
        project = (project + 1) % plan.projects
    }

    /// Open loop: messages leave when it is time for them, whatever became of those before.
    private mutating func sendAtRate(until deadline: UInt64) throws {
        let audience = max(1, plan.clients / plan.projects)
        let interval =
            1e9 * Double(audience * plan.burst) / Double(plan.deliveriesPerSecond)
        let began = now()
        var count = 0
        var lag: UInt64 = 0
        var project = 0
        while true {
            let due = began + UInt64(Double(count) * interval)
            guard due < deadline else { break }
            try listen(until: due)
            lag = max(lag, now() - due)
            try sendNext(&project)
            count += 1
            guard underWay.count < Inbox.windowMax * plan.projects else {
                throw Failure("the server is too slow for this rate")
            }
        }
        publisherLag = lag
    }

    /// Takes in what is said until `due`, to the precision of the kernel's timers.
    private mutating func listen(until due: UInt64) throws {
        while true {
            let time = now()
            guard time < due else { return }
            if due - time > 2_000_000 {
                if let message = try team.next(within: due - time - 1_500_000) { take(message) }
            } else {
                var pause = timespec(tv_sec: 0, tv_nsec: Int(due - time))
                _ = unsafe nanosleep(&pause, nil)
                while let message = try team.next(within: 0) { take(message) }
            }
        }
    }

    private mutating func reportDeliveries() throws {
        guard let measurement else { return }
        let (seconds, cpu) = endMeasuring(measurement)
        let own = ProcessFigures.current().cpuNanoseconds - measurement.ownCPU
        let report = try gather()
        judge(report)
        let deliveries = Double(report[.deliveries])
        guard deliveries > 0 else {
            result.failures.append("nothing was delivered")
            return
        }
        result.add("deliveries_per_second", deliveries / seconds, "1/s")
        if let server {
            result.add("server_cpu_per_delivery", cpu / 1e3 / deliveries, "us")
            result.add("server_memory", Double(server.residentBytes) / 1_048_576, "MiB")
        }
        result.add("messages", Double(completed * plan.burst), "")
        result.add("delivery", report.histograms[.delivery] ?? LatencyHistogram())
        result.add("last_receiver", lastReceiver, milliseconds: true)
        if plan.deliveriesPerSecond > 0 {
            result.add("publisher_lag_max", Double(publisherLag) / 1e3, "us")
        }
        noteLoader(report, seconds: seconds, own: own)
    }

    /// Messages didn't arrive: says which kind of loss it is.
    mutating func reportStall() throws {
        result.failures.append(
            "\(underWay.count) messages did not reach everybody within "
                + "\(Self.stallNanoseconds / 1_000_000_000) s")
        judge(try gather())
    }
}
