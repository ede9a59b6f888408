internal import Reactor

extension Configuration {
    /// The shortest key for HS256: as long as the hash's output (RFC 7518 §3.2).
    package static let jwtSecretBytesMin = 32
    /// The shortest secret of the bus, by the same reason.
    package static let busSecretBytesMin = 32

    /// Puts the configuration together and checks it whole. The command line goes before the
    /// environment, which goes before the defaults. Reads files for the `_FILE` variables only.
    ///
    /// - Parameters:
    ///   - options: what the command line gave, by the names of the settings.
    ///   - variables: the process's environment. An empty variable counts as not given, because
    ///     compose files and unit files produce such for what they leave out.
    ///   - needed: the secrets without which the command can't do its work.
    package static func load(
        options: [String: String], variables: [String: [UInt8]],
        needed: [SecretSetting] = SecretSetting.allCases
    ) throws(ConfigurationError) -> Configuration {
        precondition(options.keys.allSatisfy { name in Setting.all.contains { $0.name == name } })
        var configuration = Configuration()
        var sources: [String: String] = [:]
        for setting in Setting.all {
            let text: String
            let source: String
            if let option = options[setting.name] {
                (text, source) = (option, setting.optionName)
            } else if let variable = variables[setting.variableName], !variable.isEmpty {
                (text, source) = (String(decoding: variable, as: UTF8.self), setting.variableName)
            } else {
                continue
            }
            sources[setting.name] = source
            try setting.set(&configuration, to: text, source: source)
        }
        try configuration.checkRelations(sources: sources)
        for setting in SecretSetting.allCases {
            let isNeeded = needed.contains(setting) && configuration.needs(setting)
            guard let found = try secret(setting, variables: variables, isNeeded: isNeeded)
            else { continue }
            try check(found, of: setting)
            configuration[keyPath: setting.property] = found.secret
            configuration.secretFiles[setting] = found.path
        }
        try configuration.checkBus()
        configuration.warnings = unknownVariables(variables).map {
            "\($0) is not a setting of this program and is ignored"
        }
        return configuration
    }

    /// Whether nothing else that is configured does as well.
    private func needs(_ secret: SecretSetting) -> Bool {
        switch secret {
        case .databaseURL: true
        case .jwtSecret: jwtKeyFiles.isEmpty && jwtKeySetFile == nil
        case .jwtSecretNext, .redisURL, .busSecret: false
        }
    }

    /// Checks what settings ask of each other. `sources` says where those that were given stand.
    private func checkRelations(sources: [String: String]) throws(ConfigurationError) {
        func isGiven(_ property: PartialKeyPath<Configuration>) -> Bool {
            sources[Setting[property].name] != nil
        }
        func refused(
            _ property: PartialKeyPath<Configuration>, _ reason: String
        ) -> ConfigurationError {
            let setting = Setting[property]
            return ConfigurationError(
                source: sources[setting.name] ?? setting.optionName,
                value: setting.text(in: self), reason: reason)
        }
        if readTimeout <= pingInterval {
            // Name the one that was set; if both were, either would do.
            throw refused(
                isGiven(\.readTimeout) ? \.readTimeout : \.pingInterval,
                """
                the read timeout (\(readTimeout.text)) must be longer than the ping interval \
                (\(pingInterval.text)), or idle clients are disconnected before they are pinged
                """)
        }
        if tlsCertificate.isEmpty != tlsKey.isEmpty {
            let missing = Setting[tlsCertificate.isEmpty ? \.tlsCertificate : \.tlsKey].optionName
            throw refused(
                tlsCertificate.isEmpty ? \.tlsKey : \.tlsCertificate,
                "a certificate and its key go together: \(missing) is missing")
        }
        if admission.expectsProxyHeader && admission.trustedProxies.isEmpty {
            throw refused(
                \.admission.expectsProxyHeader,
                "it needs --trusted-proxies: nobody else may say where others come from")
        }
        if listen.overlaps(adminListen) {
            throw refused(
                isGiven(\.listen) && !isGiven(\.adminListen) ? \.listen : \.adminListen,
                """
                the two listeners must have different ports, or different addresses of which \
                neither is 0.0.0.0 or [::], which take the others too
                """)
        }
    }

    /// A secret and where it was found.
    struct FoundSecret {
        var secret: Secret
        var source: String
        /// The file it was read from.
        var path: String?
    }

    private static func secret(
        _ setting: SecretSetting, variables: [String: [UInt8]], isNeeded: Bool
    ) throws(ConfigurationError) -> FoundSecret? {
        let value = variables[setting.variableName] ?? []
        let path = variables[setting.fileVariableName] ?? []
        switch (value.isEmpty, path.isEmpty) {
        case (false, false):
            throw ConfigurationError(
                source: setting.fileVariableName, value: nil,
                reason: "\(setting.variableName) is set too; set one of them")
        case (false, true):
            return FoundSecret(secret: Secret(value), source: setting.variableName)
        case (true, false):
            // A path isn't a secret, so it may be shown.
            let path = String(decoding: path, as: UTF8.self)
            return FoundSecret(
                secret: try secret(setting, inFile: path), source: setting.fileVariableName,
                path: path)
        case (true, true):
            guard isNeeded else { return nil }
            throw ConfigurationError(
                source: setting.variableName, value: nil,
                reason: "not set; it or \(setting.fileVariableName)\(setting.others) is needed")
        }
    }

    /// Reads the file that holds a secret.
    static func secret(
        _ setting: SecretSetting, inFile path: String
    ) throws(ConfigurationError) -> Secret {
        let content: [UInt8]
        do throws(SecretFile.Failure) {
            content = try SecretFile.read(path: path)
        } catch {
            throw ConfigurationError(
                source: setting.fileVariableName, value: path, reason: error.description)
        }
        guard !content.isEmpty else {
            throw ConfigurationError(
                source: setting.fileVariableName, value: path, reason: "the file is empty")
        }
        // So is a file that was given its length and never written, or lost its blocks.
        guard content.contains(where: { $0 != 0 }) else {
            throw ConfigurationError(
                source: setting.fileVariableName, value: path,
                reason: "the file holds nothing but zero bytes")
        }
        return Secret(content)
    }

    /// Whoever reads a file again has others who wait: it has to be one that can be read at once.
    static func checkRegular(_ path: String, source: String) throws(ConfigurationError) {
        do throws(FileFailure) {
            try FileContents.checkRegular(path)
        } catch {
            throw ConfigurationError(
                source: source, value: path, reason: error.reason.description)
        }
    }

    /// The same with these secrets as their files have them now. Those that came by variables stay.
    func rereading(_ settings: [SecretSetting]) throws(ConfigurationError) -> Configuration {
        var configuration = self
        for setting in settings {
            guard let path = secretFiles[setting] else { continue }
            try Self.checkRegular(path, source: setting.fileVariableName)
            let found = FoundSecret(
                secret: try Self.secret(setting, inFile: path), source: setting.fileVariableName,
                path: path)
            try Self.check(found, of: setting)
            configuration[keyPath: setting.property] = found.secret
        }
        try configuration.checkBus()
        return configuration
    }

    private static func check(
        _ found: FoundSecret, of setting: SecretSetting
    ) throws(ConfigurationError) {
        switch setting {
        case .databaseURL: try checkDatabaseURL(found)
        case .jwtSecret, .jwtSecretNext:
            try checkJWTSecret(found.secret, source: found.source)
        case .redisURL: try checkRedisURL(found)
        case .busSecret: try checkBusSecret(found)
        }
    }

    private static func checkDatabaseURL(_ found: FoundSecret) throws(ConfigurationError) {
        func refused(_ reason: String) -> ConfigurationError {
            ConfigurationError(source: found.source, value: nil, reason: reason)
        }
        guard let text = found.secret.text else {
            throw refused("not a connection string: it isn't text (UTF-8)")
        }
        // libpq would take another scheme for a list of keywords, and complain about that.
        if text.contains("://"), !text.hasPrefix("postgresql://"), !text.hasPrefix("postgres://"),
            !text.contains("=") || text.prefix(while: { $0 != "=" }).contains("://")
        {
            throw refused(
                "not a connection string of PostgreSQL: it must begin with postgresql://, or be"
                    + " pairs such as host=… dbname=…")
        }
        let parsed: ConnectionString
        do throws(ConnectionStringError) {
            parsed = try ConnectionString(text)
        } catch {
            throw refused(
                "\(error.description) (special characters in a URI must be percent-encoded)")
        }
        // libpq took the first "@" for the password's end. Whatever names the host later, such as
        // an error of the resolver, would show the password's rest.
        if parsed.options.contains(where: { $0.keyword == "host" && $0.value.contains("@") }) {
            throw refused("the host holds an @: one in the password must be written %40")
        }
    }

    static func checkJWTSecret(
        _ secret: Secret, source: String
    ) throws(ConfigurationError) {
        let count = secret.bytes.count
        guard count >= jwtSecretBytesMin else {
            throw ConfigurationError(
                source: source, value: nil,
                reason: """
                    \(count) bytes are too short: HS256 needs a key of at least \
                    \(jwtSecretBytesMin) bytes (RFC 7518 section 3.2)
                    """)
        }
    }

    /// Variables with our prefix that nothing reads: likely misspelt. Kubernetes sets variables
    /// such as `DEVHIVE_PORT_8080_TCP` for a service that is called `devhive`; those aren't listed.
    private static func unknownVariables(_ variables: [String: [UInt8]]) -> [String] {
        let known = Set(Setting.all.map(\.variableName))
        return variables.keys.filter { name in
            name.hasPrefix(Setting.variablePrefix) && !known.contains(name)
                && !name.contains("_SERVICE_HOST") && !name.contains("_SERVICE_PORT")
                && !name.hasSuffix("_PORT") && !name.contains("_PORT_")
        }.sorted()
    }
}

extension SecretSetting {
    /// What would do as well.
    fileprivate var others: String {
        switch self {
        case .jwtSecret:
            ", \(Setting[\.jwtKeyFiles].optionName) or \(Setting[\.jwtKeySetFile].optionName)"
        case .databaseURL, .jwtSecretNext, .redisURL, .busSecret: ""
        }
    }
}
