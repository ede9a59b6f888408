internal import Reactor

// Processes: their start, their end, and signals for them.
extension Supervisor {
    // MARK: Starting

    mutating func start(_ index: Int) {
        do throws(Errno) {
            let socket = try LocalListeningSocket()
            let bus = try openBus(of: index)
            let control = try openControl(of: index)
            let process = try ChildProcess.spawn(
                CurrentProcess.executablePath,
                arguments: [
                    "devhive-gateway", "worker", "--number", String(index + 1),
                    "--parent", String(CurrentProcess.id),
                ] + (workers[index].bus?.arguments ?? []),
                environment: environment, inheriting: socket.owned, and: bus, and: control,
                holdsSignals: true)
            workers[index].process = process
            workers[index].address = socket.address
            workers[index].lifecycle.started(at: now)
            log.workerStarted(index + 1, processID: process.processID)
            try poller.add(
                process.descriptor,
                handle: Handle(kind: Kind.worker.rawValue, index: UInt32(index), generation: 0),
                interest: .read)
            placeWorker(index)
            // The first answer says that it listens. Without the question there will be none.
            if ask(index, .live, for: nil) != .awaited { process.send(.kill) }
        } catch {
            log.failed("the start of worker \(index + 1)", error: error.description)
            if let process = workers[index].process {
                // It can't be watched, so it can't be kept. SIGKILL lets nobody wait.
                process.send(.kill)
                while process.reap() == nil {}
            }
            forget(index)
        }
    }

    /// A worker listens from here on.
    mutating func workerAnswered(_ index: Int) {
        guard workers[index].lifecycle.answered(at: now), !isReadyAnnounced,
            workers.allSatisfy(\.lifecycle.isRunning)
        else { return }
        isReadyAnnounced = true
        ServiceManager.notify(.ready)
    }

    // MARK: Ending

    /// The kernel reported that the process has ended.
    mutating func reap(_ index: Int) {
        guard let process = workers[index].process, let end = process.reap() else { return }
        closeAsks(of: index)
        if let metrics = workers[index].metrics { retired.add(metrics, .counters) }
        let delay = forget(index)
        log.workerEnded(
            index + 1, processID: process.processID, end,
            retryNanoseconds: finish == nil ? delay : nil)
    }

    /// Returns the nanoseconds until the place is taken again.
    @discardableResult
    private mutating func forget(_ index: Int) -> UInt64 {
        // Its last frame may be its own goodbye, which says more than the parent's.
        relayFrames(of: index)
        closeBus(of: index)
        closeControl(of: index)
        workers[index].process = nil
        workers[index].address = nil
        workers[index].metrics = nil
        guard finish == nil else {
            workers[index].lifecycle.finish()
            return 0
        }
        restarts += 1
        return workers[index].lifecycle.ended(at: now, randomness: jitter.next())
    }

    // MARK: Signals

    mutating func handleSignals() {
        while let signal = signals.next() {
            switch signal {
            case .reload: send(.reload)
            case .terminate where finish == nil: beginFinish()
            case .terminate: endAtOnce()
            }
        }
    }

    /// Seconds beyond what a drain may take, for a worker that is busy or swapped out.
    private static let finishReserveSeconds: UInt64 = 5

    private mutating func beginFinish() {
        let patience =
            UInt64(configuration.drainSeconds) * 1_000_000_000
            + configuration.closeTimeout.nanoseconds
            + Self.finishReserveSeconds * 1_000_000_000
        finish = Finish(deadline: now.advanced(byNanoseconds: patience))
        log.supervisorFinishing(workers: workers.count { $0.lifecycle.hasProcess })
        ServiceManager.notify(.stopping)
        for index in workers.indices where !workers[index].lifecycle.hasProcess {
            workers[index].lifecycle.finish()
        }
        send(.terminate)
    }

    mutating func endAtOnce() {
        finish?.isForced = true
        send(.kill)
    }

    private func send(_ signal: ProcessSignal) {
        for worker in workers { worker.process?.send(signal) }
    }
}
