internal import Reactor

extension Configuration {
    /// What would be used, one `name = value` a line, in the order of the settings. Secrets are
    /// masked; of the connection string everything but the passwords is shown.
    package func report(connectionsMax: Int) -> String {
        var values = Setting.all.map { (name: $0.name, value: $0.text(in: self)) }
        for index in values.indices where values[index].value.isEmpty {
            values[index].value = "(none)"
        }
        if maxConnections == nil,
            let index = values.firstIndex(where: { $0.name == Setting[\.maxConnections].name })
        {
            values[index].value += " (\(connectionsMax))"
        }
        values += SecretSetting.allCases.map { (name: $0.name, value: masked($0)) }
        let width = values.map(\.name.utf8.count).max() ?? 0
        return values.map { name, value in
            name + String(repeating: " ", count: width - name.utf8.count) + " = \(value)\n"
        }.joined()
    }

    private func masked(_ setting: SecretSetting) -> String {
        let secret = self[keyPath: setting.property]
        guard !secret.isEmpty else { return "(none)" }
        switch setting.sensitivity {
        case .whole: return "**** (\(secret.bytes.count) bytes)"
        case .passwords where setting == .redisURL:
            return redisTarget?.masked ?? secret.description  // Not one that `load` let through.
        case .passwords:
            do throws(ConnectionStringError) {
                return try ConnectionString(secret.text ?? "").masked
            } catch {
                return secret.description  // Not one that `load` let through.
            }
        }
    }
}
