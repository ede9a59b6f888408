internal import Logging
internal import Reactor

/// The parent of the workers.
extension EventLog {
    func supervising(version: String, workers: Int) {
        write(
            .info, "starting",
            ["version": .string(version), "workers": .stringConvertible(workers)])
    }

    func workerStarted(_ number: Int, processID: Int32) {
        write(
            .info, "worker started",
            [
                "worker": .stringConvertible(number),
                "process": .stringConvertible(processID),
            ])
    }

    /// `retryNanoseconds` is `nil` when it was asked to end.
    func workerEnded(
        _ number: Int, processID: Int32, _ end: ProcessEnd, retryNanoseconds: UInt64?
    ) {
        var metadata: Logger.Metadata = [
            "worker": .stringConvertible(number), "process": .stringConvertible(processID),
        ]
        switch end {
        case .exited(let code): metadata["exit_code"] = .stringConvertible(code)
        case .killed(let signal): metadata["signal"] = .stringConvertible(signal)
        }
        if let retryNanoseconds {
            metadata["retry_ms"] = .stringConvertible(retryNanoseconds / 1_000_000)
        }
        write(retryNanoseconds == nil ? .info : .error, "worker ended", metadata)
    }

    func supervisorFinishing(workers: Int) {
        write(.notice, "draining", ["workers": .stringConvertible(workers)])
    }

    func supervisorStopped(isLate: Bool) {
        write(
            .notice, "stopped",
            [
                "exit_code": .stringConvertible(
                    isLate ? ProgramExit.internalError.rawValue : ProgramExit.success.rawValue)
            ])
    }
}
