internal import Reactor

// SIGHUP: files are read again, and nobody notices.
extension Server {
    /// Reads again what may change while the program runs. What can't be read stays as it was.
    ///
    /// Connections that are open stay so, until their token expires: it was good when it was shown.
    mutating func reload() {
        let hasKeys = reloadTokenKeys()
        let hasCertificate = reloadCertificate()
        core.metrics.reloads[hasKeys && hasCertificate ? .done : .failed] += 1
    }

    private mutating func reloadTokenKeys() -> Bool {
        do throws(ConfigurationError) {
            let loaded = try tokenKeys.load()
            for warning in loaded.warnings { core.log.configurationWarning(warning) }
            core.log.reloaded("token keys", count: loaded.keys.count)
            core.verifier.replaceKeys(loaded.takeKeys())
            return true
        } catch {
            core.log.reloadFailed("token keys", error: error.description)
            return false
        }
    }
}
