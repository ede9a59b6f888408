internal import Reactor

/// The server is asked to finish: nobody new comes in, and those who are here are sent away one
/// after the other, so that they don't all arrive elsewhere at once.
package struct Drain: BitwiseCopyable, Sendable {
    let began: Instant
    /// WebSockets when it began.
    let total: Int
    /// Of those, how many were told.
    var told = 0
    /// Slots below this one were looked at.
    var cursor: UInt32 = 0
}

extension Core {
    /// How often a drain goes on.
    private static let drainStepNanoseconds: UInt64 = 50_000_000

    package mutating func beginDrain() {
        guard drain == nil else { return }
        drain = Drain(began: now, total: Int(metrics.connections))
        log.draining(
            connections: Int(metrics.connections),
            seconds: Int(settings.drainNanoseconds / 1_000_000_000))
    }

    /// Tells as many clients as should have been told by now. Returns the nanoseconds after which
    /// it has to be called again; `nil` when the drain is over and the program may end.
    package mutating func continueDrain() -> UInt64? {
        guard var drain else { return nil }
        let elapsed = now.nanoseconds(since: drain.began)
        let length = max(settings.drainNanoseconds, 1)
        let share = elapsed >= length ? 1 : Double(elapsed) / Double(length)
        let due = share >= 1 ? Int.max : Int((Double(drain.total) * share).rounded(.up))
        while drain.cursor < UInt32(clients.highWaterMark), drain.told < due {
            if tellToLeave(drain.cursor) { drain.told += 1 }
            drain.cursor += 1
        }
        self.drain = drain
        if metrics.connections == 0 && dirty.isEmpty { return nil }
        // Those who were told last may take their time to answer, within the limit.
        let patience = settings.drainNanoseconds + settings.closeTimeoutNanoseconds
        return elapsed > patience ? nil : Self.drainStepNanoseconds
    }

    /// Within which clients should come back: all who are here, or were when the drain began.
    var reconnectWindowMilliseconds: UInt32 {
        Pacing.reconnectWindowMilliseconds(
            connections: max(Int(metrics.connections), drain?.total ?? 0))
    }

    private mutating func tellToLeave(_ index: ClientIndex) -> Bool {
        guard clients.isOccupied(index), clients[index].takesMessages else { return false }
        text.removeAll()
        text.append(#"{"window_ms":"#)
        text.append(decimal: UInt64(reconnectWindowMilliseconds))
        text.append("}")
        frame.removeAll()
        FrameEncoder.writeClose(.serviceRestart, reason: text, into: &frame)
        closeWithFrame(index, .serviceRestart, keepsQueue: true)
        return true
    }
}
