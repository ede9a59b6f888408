package import Reactor

/// The instant of a turn, in the forms that are needed: everything in the turn happens at it.
package struct TurnClock: BitwiseCopyable, Sendable {
    package let now: Instant
    /// The same in ticks of the timer wheel.
    package let tick: UInt32
    /// The wall clock, for what is written down and for tokens.
    package let wall: Timestamp

    package init(now: Instant, wall: Timestamp) {
        self.now = now
        self.wall = wall
        tick = TimerWheel.tick(now)
    }

    /// The tick that is so many nanoseconds away.
    package func tick(afterNanoseconds nanoseconds: UInt64) -> UInt32 {
        TimerWheel.tick(nanoseconds, after: now)
    }
}
