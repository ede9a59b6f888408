internal import Reactor

// Signals. With SIGHUP files are read again, and nobody notices.
extension Server {
    /// SIGHUP reads files again. A first SIGTERM or SIGINT begins the drain, a second one ends the
    /// program. For a worker a second one says nothing new: one may have come from its parent and one
    /// from a service manager that signals every process. What ends it at once is SIGKILL.
    mutating func receiveSignals() {
        while let signal = signals.next() {
            guard signal == .terminate else {
                reload()
                continue
            }
            if core.drain != nil { endsAtOnce = !isWorker }
            if core.drain == nil, !isWorker { ServiceManager.notify(.stopping) }
            core.beginDrain()
        }
    }

    /// Reads again what may change while the program runs. What can't be read stays as it was.
    ///
    /// Connections that are open stay so, until their token expires: it was good when it was shown.
    private mutating func reload() {
        let hasKeys = reloadTokenKeys()
        let hasCertificate = reloadCertificate()
        let hasBus = reloadBus()
        core.metrics.reloads[hasKeys && hasCertificate && hasBus ? .done : .failed] += 1
    }

    private mutating func reloadTokenKeys() -> Bool {
        do throws(ConfigurationError) {
            let loaded = try tokenKeys.reload()
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
