internal import Reactor

// What operators hear of all workers together.
extension Supervisor {
    /// Ready: every worker is, and none is on its way out. Live: every worker that runs answers; one
    /// that has ended and is started again is no reason to start everything again.
    func report(on inquiry: Inquiry) -> HealthReport {
        var report = HealthReport(question: inquiry.question, isFinishing: finish != nil)
        for (worker, reply) in zip(workers, inquiry.replies) {
            report.add(HealthReport.Finding(worker.lifecycle.phase, reply))
        }
        return report
    }

    /// The figures of all workers, of those that have been, and of the parent.
    func summedMetrics() -> MetricsSnapshot {
        var own = ByteBuffer(capacity: 4_096)
        own.gauge(
            "devhive_workers", help: "Worker processes that are to run.", UInt64(workers.count))
        own.gauge(
            "devhive_workers_running", help: "Worker processes that run and listen.",
            UInt64(workers.count { $0.lifecycle.isRunning }))
        own.counter(
            "devhive_worker_restarts_total", help: "Worker processes that ended unasked.",
            restarts)
        if configuration.databaseSessions == .host {
            own.counter(
                "devhive_database_takeovers_total",
                help: "Times that another worker took over the sessions with the database.",
                takeovers)
        }
        if configuration.bus == .auto { writeRelay(into: &own) }
        MetricsWriter.writeProcess(ProcessFigures.current(), into: &own)
        var sum = MetricsSnapshot(String(decoding: own))
        sum.add(retired, .counters)
        // Of one that was too busy to answer in time, the figures of the time before.
        for worker in workers {
            if let metrics = worker.metrics { sum.add(metrics) }
        }
        return sum
    }

    private func writeRelay(into buffer: inout ByteBuffer) {
        buffer.counter(
            "devhive_bus_frames_relayed_total", help: "Frames handed from one worker to another.",
            relay.framesRelayed)
        buffer.counter(
            "devhive_bus_relay_drops_total",
            help: "Frames not handed on because a worker had too much to read.",
            relay.framesDropped)
        buffer.counter(
            "devhive_bus_relay_oversized_total", help: "Frames of workers longer than any.",
            relay.framesOversized)
    }
}
