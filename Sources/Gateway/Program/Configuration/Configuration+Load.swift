internal import Reactor

extension Configuration {
    /// The shortest key for HS256: as long as the hash's output (RFC 7518 §3.2).
    package static let jwtSecretBytesMin = 32

    /// Puts the configuration together and checks it whole. The command line goes before the
    /// environment, which goes before the defaults. Reads files for the `_FILE` variables only.
    ///
    /// - Parameters:
    ///   - options: what the command line gave.
    ///   - variables: the process's environment. An empty variable counts as not given, because
    ///     compose files and unit files produce such for what they leave out.
    ///   - needed: the secrets without which the command can't do its work.
    package static func load(
        options: [Setting: String], variables: [String: [UInt8]],
        needed: [SecretSetting] = SecretSetting.allCases
    ) throws(ConfigurationError) -> Configuration {
        var configuration = Configuration()
        var sources: [Setting: String] = [:]
        for setting in Setting.allCases {
            if let text = options[setting] {
                sources[setting] = setting.optionName
                try configuration.set(setting, to: text, source: setting.optionName)
            } else if let bytes = variables[setting.variableName], !bytes.isEmpty {
                sources[setting] = setting.variableName
                try configuration.set(
                    setting, to: String(decoding: bytes, as: UTF8.self),
                    source: setting.variableName)
            }
        }
        try configuration.checkRelations(sources: sources)
        let database = try secret(.databaseURL, variables: variables, needed: needed)
        let hasPublicKeys = !configuration.jwtKeyFiles.isEmpty || configuration.jwtKeySetFile != nil
        let key = try secret(
            .jwtSecret, variables: variables, needed: hasPublicKeys ? [] : needed)
        let nextKey = try secret(.jwtSecretNext, variables: variables, needed: [])
        if let database {
            try checkDatabaseURL(database)
            configuration.databaseURL = database.secret
        }
        if let key {
            try checkJWTSecret(key.secret, source: key.source)
            configuration.jwtSecret = key.secret
            configuration.secretFiles[.jwtSecret] = key.path
        }
        if let nextKey {
            try checkJWTSecret(nextKey.secret, source: nextKey.source)
            configuration.jwtSecretNext = nextKey.secret
            configuration.secretFiles[.jwtSecretNext] = nextKey.path
        }
        configuration.warnings = unknownVariables(variables).map {
            "\($0) is not a setting of this program and is ignored"
        }
        return configuration
    }

    private func checkRelations(sources: [Setting: String]) throws(ConfigurationError) {
        if readTimeout <= pingInterval {
            // Name the one that was set; if both were, either would do.
            let setting: Setting = sources[.readTimeout] != nil ? .readTimeout : .pingInterval
            throw ConfigurationError(
                source: sources[setting] ?? setting.optionName, value: text(of: setting),
                reason: """
                    the read timeout (\(readTimeout.text)) must be longer than the ping interval \
                    (\(pingInterval.text)), or idle clients are disconnected before they are pinged
                    """)
        }
        if tlsCertificate.isEmpty != tlsKey.isEmpty {
            let given: Setting = tlsCertificate.isEmpty ? .tlsKey : .tlsCertificate
            let missing: Setting = tlsCertificate.isEmpty ? .tlsCertificate : .tlsKey
            throw ConfigurationError(
                source: sources[given] ?? given.optionName, value: text(of: given),
                reason: "a certificate and its key go together: \(missing.optionName) is missing")
        }
        if admission.expectsProxyHeader && admission.trustedProxies.isEmpty {
            throw ConfigurationError(
                source: sources[.proxyProtocol] ?? Setting.proxyProtocol.optionName, value: "on",
                reason: "it needs --trusted-proxies: nobody else may say where others come from")
        }
        if listen.overlaps(adminListen) {
            throw ConfigurationError(
                source: sources[.adminListen] ?? sources[.listen]
                    ?? Setting.adminListen.optionName,
                value: adminListen.description,
                reason: """
                    the two listeners must have different ports, or different addresses of which \
                    neither is 0.0.0.0 or [::], which take the others too
                    """)
        }
    }

    /// A secret and where it was found.
    private struct FoundSecret {
        var secret: Secret
        var source: String
        /// The file it was read from.
        var path: String?
    }

    private static func secret(
        _ setting: SecretSetting, variables: [String: [UInt8]], needed: [SecretSetting]
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
            guard needed.contains(setting) else { return nil }
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
        return Secret(content)
    }

    private static func checkDatabaseURL(_ found: FoundSecret) throws(ConfigurationError) {
        func refused(_ reason: String) -> ConfigurationError {
            ConfigurationError(source: found.source, value: nil, reason: reason)
        }
        guard let text = found.secret.text else {
            throw refused("not a connection string: it isn't text (UTF-8)")
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
        let known = Set(Setting.allCases.map(\.variableName))
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
        case .jwtSecret: ", \(Setting.jwtKey.optionName) or \(Setting.jwtKeySet.optionName)"
        case .databaseURL, .jwtSecretNext: ""
        }
    }
}
