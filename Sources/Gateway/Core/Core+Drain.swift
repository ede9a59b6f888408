internal import Reactor

/// The server is asked to finish: nobody new comes in, and those who are here are sent away one
/// after the other, so that they don't all arrive elsewhere at once.
package struct Drain: BitwiseCopyable, Sendable {
    let began: Instant
    /// WebSockets when it began.
    let total: Int
    /// Of those, how many were notified, and when the last one was.
    var notified = 0
    var lastNotified: Instant?
    /// Slots below this one were looked at.
    var position: UInt32 = 0
}

extension Core {
    /// How often a drain goes on.
    private static let drainStepNanoseconds: UInt64 = 50_000_000

    package mutating func beginDrain() {
        guard drain == nil else { return }
        drain = Drain(began: clock.now, total: Int(metrics.connections))
        log.draining(
            connections: Int(metrics.connections),
            seconds: Int(settings.drainNanoseconds / 1_000_000_000))
    }

    /// Notifies as many clients as should have been notified by now. Returns the nanoseconds after
    /// which it has to be called again; `nil` when the drain is over and the program may end.
    package mutating func continueDrain() -> UInt64? {
        guard var drain else { return nil }
        let elapsed = clock.now.nanoseconds(since: drain.began)
        let length = max(settings.drainNanoseconds, 1)
        let share = elapsed >= length ? 1 : Double(elapsed) / Double(length)
        let due = share >= 1 ? Int.max : Int((Double(drain.total) * share).rounded(.up))
        while drain.position < UInt32(clients.highWaterMark), drain.notified < due {
            if sendAway(drain.position) {
                drain.notified += 1
                drain.lastNotified = clock.now
            }
            drain.position += 1
        }
        self.drain = drain
        if metrics.connections == 0 && outbox.dirty.isEmpty { return nil }
        // Those who were notified last may take their time to answer, within the limit.
        let patience = settings.drainNanoseconds + settings.times.closeNanoseconds
        return elapsed > patience ? nil : Self.drainStepNanoseconds
    }

    /// Within which clients should come back: all who are here, or were when the drain began.
    var reconnectWindowMilliseconds: UInt32 {
        Pacing.reconnectWindowMilliseconds(
            connections: max(Int(metrics.connections), drain?.total ?? 0))
    }

    /// What is left of that for the one who was notified last, in milliseconds; zero when nobody was.
    package var reconnectWindowLeft: UInt32 {
        guard let last = drain?.lastNotified else { return 0 }
        let passed = clock.now.nanoseconds(since: last) / 1_000_000
        return reconnectWindowMilliseconds
            - UInt32(min(passed, UInt64(reconnectWindowMilliseconds)))
    }

    private mutating func sendAway(_ index: ClientIndex) -> Bool {
        guard clients.isOccupied(index), clients[index].isOpenForMessages else { return false }
        var message = outbox.message()
        message.text.append(#"{"window_ms":"#)
        message.text.append(decimal: UInt64(reconnectWindowMilliseconds))
        message.text.append("}")
        message.writeCloseWithText(.serviceRestart)
        close(index, .serviceRestart, with: message, keepsQueue: true)
        return true
    }
}
