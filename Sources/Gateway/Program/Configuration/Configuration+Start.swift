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

    /// Descriptors that clients can't have: a quarter for connections that are only refused, a quarter
    /// for those of the admin listener; the rest is for both listeners, epoll, the ring, signals, two
    /// database connections, the log, and files that are read.
    package static let descriptorReserve: UInt64 = 4 * UInt64(Limits.reservedPlacesMax)
    /// The most that the derived limit becomes: hard limits of 2³⁰ are common in containers, and
    /// mean "not limited", not that a process could serve as many.
    package static let derivedConnectionsMax = 1_000_000

    /// Of a limit under twice the reserve, half is kept.
    package static func descriptorReserve(of limit: UInt64) -> UInt64 {
        min(descriptorReserve, limit / 2)
    }

    /// Places for connections that are only refused, and for those of the admin listener, for
    /// RLIMIT_NOFILE `descriptorLimit`.
    package static func reservedPlaces(descriptorLimit: UInt64) -> Int {
        max(1, Int(descriptorReserve(of: descriptorLimit) / 4))
    }

    /// The most connections to hold, for RLIMIT_NOFILE `descriptorLimit` as it holds in this
    /// process, already raised.
    ///
    /// Throws if `max-connections` asks for more
    /// than fit: better at the start than with the first client that can't connect.
    package func connectionsMax(descriptorLimit: UInt64) throws(ConfigurationError) -> Int {
        let most = Int(
            clamping: descriptorLimit - Self.descriptorReserve(of: descriptorLimit))
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
