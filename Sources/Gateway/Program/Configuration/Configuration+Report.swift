internal import Reactor

extension Configuration {
    /// What would be used, one `name = value` a line, in the order of the settings. Secrets are
    /// masked; of the connection string everything but the passwords is shown.
    package func report(connectionsMax: Int) -> String {
        var lines = Setting.allCases.map { setting in
            let value = text(of: setting)
            let derived = setting == .maxConnections && maxConnections == nil
            if value.isEmpty { return Self.line(setting.rawValue, "(none)") }
            return Self.line(setting.rawValue, derived ? "auto (\(connectionsMax))" : value)
        }
        lines.append(Self.line("database-url", maskedDatabaseURL))
        lines.append(Self.line("jwt-secret", Self.masked(jwtSecret)))
        if !jwtSecretNext.isEmpty {
            lines.append(Self.line("jwt-secret-next", Self.masked(jwtSecretNext)))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var maskedDatabaseURL: String {
        guard !databaseURL.isEmpty, let text = databaseURL.text else {
            return databaseURL.description
        }
        do throws(ConnectionStringError) {
            return try ConnectionString(text).masked
        } catch {
            return databaseURL.description  // Not one that `load` let through.
        }
    }

    private static func masked(_ key: Secret) -> String {
        key.isEmpty ? "(none)" : "**** (\(key.bytes.count) bytes)"
    }

    private static func line(_ name: String, _ value: String) -> String {
        let width = 27
        let padding = String(repeating: " ", count: max(0, width - name.utf8.count))
        return "\(name)\(padding) = \(value)"
    }
}
