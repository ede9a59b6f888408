internal import CEpollShim

/// A point on the monotonic clock, in nanoseconds (clock_gettime(2), CLOCK_MONOTONIC).
///
/// The loop reads the clock once a turn and hands the instant on; nothing below reads it again.
public struct Instant: Comparable, Hashable, BitwiseCopyable, Sendable {
    public var nanoseconds: UInt64

    @inlinable public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    @inlinable public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The instant `nanoseconds` later; saturates at the clock's end (584 years).
    @inlinable public func advanced(byNanoseconds nanoseconds: UInt64) -> Instant {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// The instant `milliseconds` later; saturates as well.
    @inlinable public func advanced(byMilliseconds milliseconds: UInt64) -> Instant {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return advanced(byNanoseconds: overflow ? .max : product)
    }

    /// Nanoseconds from `earlier` to here; zero when `earlier` is the later one.
    @inlinable public func nanoseconds(since earlier: Instant) -> UInt64 {
        nanoseconds > earlier.nanoseconds ? nanoseconds &- earlier.nanoseconds : 0
    }
}

/// The clocks of the program.
public enum Clock {
    /// CLOCK_MONOTONIC: deadlines and durations. It doesn't jump, and stands still in suspend.
    public static func monotonic() -> Instant {
        Instant(nanoseconds: read(CLOCK_MONOTONIC))
    }

    /// CLOCK_REALTIME in microseconds since 1970: token expiry and time stamps only.
    public static func wallMicroseconds() -> Int64 {
        Int64(read(CLOCK_REALTIME) / 1_000)
    }

    /// CLOCK_THREAD_CPUTIME_ID in nanoseconds: the processor time of the calling thread, in the kernel as
    /// well, without what it had to wait for a processor. A system call, where the others are none.
    public static func processorNanoseconds() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        let status = unsafe clock_gettime(clock, &time)
        precondition(status == 0)  // Only a clock that doesn't exist fails.
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
