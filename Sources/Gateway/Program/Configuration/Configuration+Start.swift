internal import Reactor

extension Configuration {
    /// Loads with this process's own environment.
    package static func load(
        options: [String: String], needed: [SecretSetting] = SecretSetting.allCases
    ) throws(ConfigurationError) -> Configuration {
        try load(options: options, variables: Environment.snapshot(), needed: needed)
    }

    /// Raises RLIMIT_NOFILE to its hard limit and settles `maxConnections` by what it then is.
    ///
    /// - Returns: the number settled on.
    package mutating func settleConnectionsMax() throws(ConfigurationError) -> Int {
        let limit: DescriptorLimit
        do throws(Errno) {
            limit = try DescriptorLimit.raiseToHard()
        } catch {
            throw ConfigurationError(
                source: "RLIMIT_NOFILE", value: nil,
                reason: "can't be read or raised: \(error.description)")
        }
        let settled = try connectionsMax(descriptorLimit: limit.soft)
        maxConnections = settled
        return settled
    }

    /// Descriptors that clients can't have: both listeners, epoll, the ring, timers and signals,
    /// two database connections, the log, files that are read, and requests to the admin listener.
    package static let descriptorReserve: UInt64 = 64
    /// The most that the derived limit becomes: hard limits of 2³⁰ are common in containers, and
    /// mean "not limited", not that a process could serve as many.
    package static let derivedConnectionsMax = 1_000_000

    /// The most connections to hold, for RLIMIT_NOFILE `descriptorLimit` as it holds in this
    /// process, already raised.
    ///
    /// Of a limit under twice the reserve, half is kept. Throws if `max-connections` asks for more
    /// than fit: better at the start than with the first client that can't connect.
    package func connectionsMax(descriptorLimit: UInt64) throws(ConfigurationError) -> Int {
        let reserve = min(Self.descriptorReserve, descriptorLimit / 2)
        let most = Int(clamping: descriptorLimit - reserve)
        guard let maxConnections else { return max(1, min(most, Self.derivedConnectionsMax)) }
        guard maxConnections <= most else {
            throw ConfigurationError(
                source: "--max-connections or DEVHIVE_MAX_CONNECTIONS",
                value: String(maxConnections),
                reason: """
                    RLIMIT_NOFILE is \(descriptorLimit), which leaves \(most) for clients; raise \
                    the hard limit (ulimit -Hn, LimitNOFILE=) or choose at most that
                    """)
        }
        return maxConnections
    }
}
