import Gateway
import Reactor

extension TurnClock {
    /// The first instant of a tick of the timer wheel.
    static func at(tick: UInt32) -> TurnClock {
        TurnClock(
            now: Instant(nanoseconds: UInt64(tick) * TimerWheel.tickNanoseconds),
            wall: Timestamp(unixSeconds: 1_790_000_000))
    }
}
