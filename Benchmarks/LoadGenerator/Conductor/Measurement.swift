internal import Reactor

/// What is read at the beginning and at the end of the part of a run that counts.
struct Measurement {
    var began: UInt64
    var serverCPU: UInt64
    var ownCPU: UInt64
    var cores: [Int]
    var coreTimes: CoreTimes
}

/// What the processes of the team have counted, added up.
struct TeamReport {
    var counters = [UInt64](repeating: 0, count: Counter.allCases.count)
    var histograms: [HistogramName: LatencyHistogram] = [:]
    /// The busiest process's CPU time, nanoseconds.
    var cpuMax: UInt64 = 0

    subscript(counter: Counter) -> UInt64 { counters[Int(counter.rawValue)] }
}

extension Conductor {
    /// From here on it counts. Nothing may be under way.
    mutating func beginMeasuring() {
        team.broadcast(Record(.begin))
        lastReceiver.removeAll()
        completed = 0
        let cores = CoreTimes.allowedCores()
        measurement = Measurement(
            began: now(), serverCPU: server?.cpuNanoseconds ?? 0,
            ownCPU: ProcessFigures.current().cpuNanoseconds, cores: cores,
            coreTimes: CoreTimes(cores: cores))
    }

    /// What the time since `beginMeasuring` has cost, and whether the load generator was the
    /// limit. Returns its seconds and the server's CPU nanoseconds.
    mutating func endMeasuring(_ measurement: Measurement) -> (seconds: Double, cpu: Double) {
        let seconds = Double(now() - measurement.began) / 1e9
        let cpu = Double(
            (server?.cpuNanoseconds ?? 0) - min(server?.cpuNanoseconds ?? 0, measurement.serverCPU))
        let busy = CoreTimes(cores: measurement.cores)
            .busyShare(since: measurement.coreTimes)
        result.add("measured_seconds", seconds, "s")
        if server != nil { result.add("server_core_share", 100 * cpu / 1e9 / seconds, "%") }
        result.add("loader_cores_busy", 100 * busy, "%")
        return (seconds, cpu)
    }

    /// Asks everybody, or `members`, for what was counted.
    mutating func gather(_ members: [Int]? = nil) throws -> TeamReport {
        let members = members ?? Array(0..<team.count)
        for member in members {
            for project in 0..<plan.projectsInAll {
                team.send(
                    Record(.expect, UInt64(project), UInt64(publisher.sent[project])),
                    to: member)
            }
            team.send(Record(.report), to: member)
        }
        var report = TeamReport()
        var awaited = members.count
        while awaited > 0 {
            guard let message = try team.next(within: Self.stallNanoseconds) else {
                throw Failure("a process of the load generator doesn't answer")
            }
            let record = message.record
            switch record.kind {
            case .counter where record.a < UInt64(report.counters.count):
                report.counters[Int(record.a)] += record.b
                if record.a == Counter.cpu.rawValue {
                    report.cpuMax = max(report.cpuMax, record.b)
                }
            case .bucket:
                guard let name = HistogramName(rawValue: record.a) else { break }
                report.histograms[name, default: LatencyHistogram()]
                    .add(record.c, inBucket: Int(clamping: record.b))
            case .finished: awaited -= 1
            default: take(message)
            }
        }
        return report
    }

    /// Says what was wrong with the deliveries. Any of it means that there is no figure.
    mutating func judge(_ report: TeamReport, allowsResyncs: Bool = false) {
        let faults: [(Counter, String)] = [
            (.lost, "lost"), (.duplicates, "duplicates"), (.outOfOrder, "out of order"),
            (.wrongProject, "of another project"), (.unknownMessages, "unknown messages"),
            (.protocolErrors, "protocol errors"), (.silentLosses, "silently lost"),
            (.connectFailures, "connections not opened"),
        ]
        for (counter, text) in faults where report[counter] > 0 {
            result.failures.append("\(report[counter]) \(text)")
        }
        guard !allowsResyncs else { return }
        if report[.resyncs] > 0 { result.failures.append("\(report[.resyncs]) resyncs") }
        if report[.disconnects] > 0 {
            result.failures.append("\(report[.disconnects]) clients were disconnected")
        }
    }

    /// Says when the load generator was the limit, and not the server.
    mutating func noteLoader(_ report: TeamReport, seconds: Double, own: UInt64) {
        let busiest = Double(max(report.cpuMax, own)) / 1e9 / seconds
        let share = Double(report[.cpu] + own) / 1e9 / seconds
        result.add("loader_cpu_share", 100 * share, "%")
        if let server = result.value(of: "server_core_share"),
            let busy = result.value(of: "loader_cores_busy")
        {
            noteWaiting(serverShare: server / 100, loaderShare: share, busy: busy / 100)
        }
        guard busiest > 0.95 else { return }
        result.isLoaderBound = true
        result.notes.append("loader-bound: one of its processes used more than 95 % of a core")
    }

    /// What it means that neither side had enough to do, or that somebody else took the time.
    mutating func noteWaiting(serverShare: Double, loaderShare: Double, busy: Double) {
        guard busy > 0.97, serverShare < 0.9, loaderShare < 0.7 else { return }
        result.notes.append(
            "the load generator's processors were busy with other things: the database, or others")
    }
}
