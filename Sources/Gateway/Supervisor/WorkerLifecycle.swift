package import Reactor

/// Where a worker is between its starts and its ends. A value: time and chance come in, and nobody
/// is started or ended by it.
package struct WorkerLifecycle: Equatable, Sendable {
    package enum Phase: Equatable, Sendable {
        /// No process: one is to be started at this time.
        case waiting(until: Instant)
        /// It runs and has not answered yet.
        case starting(since: Instant)
        /// It has answered, so it listens.
        case running(since: Instant)
        /// No process, and there will be none.
        case over
    }

    package private(set) var phase: Phase
    private var backoff = Backoff()

    /// A worker that has run for so long was well: when it ends, the next starts as after a first
    /// failure.
    package static let steadyNanoseconds: UInt64 = 10_000_000_000

    package init(now: Instant) {
        phase = .waiting(until: now)
    }

    package var hasProcess: Bool {
        switch phase {
        case .starting, .running: true
        case .waiting, .over: false
        }
    }

    package var isRunning: Bool {
        if case .running = phase { true } else { false }
    }

    /// When a process has to be started; `nil` when none has.
    package var startDeadline: Instant? {
        if case .waiting(let until) = phase { until } else { nil }
    }

    package mutating func started(at now: Instant) {
        phase = .starting(since: now)
    }

    /// Returns whether this was the first answer.
    package mutating func answered(at now: Instant) -> Bool {
        guard case .starting(let since) = phase else { return false }
        phase = .running(since: since)
        return true
    }

    /// The process has ended, or couldn't be started. Returns the nanoseconds until the next start.
    package mutating func ended(at now: Instant, randomness: UInt64) -> UInt64 {
        if case .running(let since) = phase, now.nanoseconds(since: since) >= Self.steadyNanoseconds
        {
            backoff.reset()
        }
        let delay = backoff.delayAfterFailure(randomness: randomness)
        phase = .waiting(until: now.advanced(byNanoseconds: delay))
        return delay
    }

    /// Nothing is started any more.
    package mutating func finish() {
        phase = .over
    }
}
