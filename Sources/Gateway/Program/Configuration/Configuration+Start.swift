internal import Reactor

extension Configuration {
    /// Loads with this process's own environment.
    package static func load(
        options: [Setting: String], needed: [SecretSetting] = SecretSetting.allCases
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
}
