internal import Reactor

extension Program {
    /// Serves with several processes, of which this one is the parent, until a signal ends it.
    /// Returns whether it ended as it should: by request, and all workers in the time for it.
    package static func supervise(_ configuration: Configuration) throws(ServerFailure) -> Bool {
        // One that comes before the loop waits for it.
        SignalDescriptor.hold()
        guardMemory(configuration)
        let log = EventLog(format: configuration.logFormat, level: configuration.logLevel)
        warn(log, configuration)
        // Rather than by each worker, again and again.
        _ = try tokenKeys(TokenKeys(configuration))
        try SecureClients.check(configuration)
        log.supervising(version: Version.current, workers: configuration.workers)
        let publicAddress = try address(configuration.listen)
        let adminAddress = try address(configuration.adminListen)
        let reservation: AddressReservation
        do throws(Errno) {
            reservation = try AddressReservation(publicAddress)
        } catch {
            throw ServerFailure(
                what: "cannot listen on \(publicAddress)", why: error.description)
        }
        let listener: ListeningSocket
        do throws(Errno) {
            listener = try ListeningSocket(adminAddress)
        } catch {
            throw ServerFailure(what: "cannot listen on \(adminAddress)", why: error.description)
        }
        if let address = listener.address {
            log.listening(listener: "admin", address: address.description)
        }
        do throws(Errno) {
            var supervisor = try Supervisor.open(
                configuration, reservation: reservation, listener: listener, log: log)
            return supervisor.run()
        } catch {
            throw ServerFailure(what: "cannot set up epoll and signals", why: error.description)
        }
    }
}
