/// How clients are told to spread in time, so that what one event or one restart sets off doesn't
/// reach a back end, or the gateway that takes over, all in one moment.
package struct Pacing: BitwiseCopyable, Sendable {
    /// Requests a second that the back end can serve to clients of this process when they fetch
    /// again; `nil` leaves `spread_ms` out.
    package let refetchesPerSecond: Int?

    package init(refetchesPerSecond: Int?) {
        precondition(refetchesPerSecond.map { $0 > 0 } ?? true)
        self.refetchesPerSecond = refetchesPerSecond
    }

    /// The `spread_ms` of an event with so many clients to hear it: as long as the back end needs
    /// for a request of each. 0 where that is too short to be worth a delay; then it is left out.
    ///
    /// Hot path, once for each event.
    package func spreadMilliseconds(audience: Int) -> UInt32 {
        guard let refetchesPerSecond else { return 0 }
        let milliseconds = audience * 1_000 / refetchesPerSecond
        guard milliseconds >= Limits.spreadMillisecondsMin else { return 0 }
        return UInt32(min(milliseconds, Limits.spreadMillisecondsMax))
    }

    /// Over how long a time so many clients should come back after a restart.
    package static func reconnectWindowMilliseconds(connections: Int) -> UInt32 {
        let milliseconds = connections * 1_000 / Limits.reconnectsPerSecond
        return UInt32(
            min(
                max(milliseconds, Limits.reconnectWindowMillisecondsMin),
                Limits.reconnectWindowMillisecondsMax))
    }
}
