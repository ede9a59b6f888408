internal import Reactor

// Everything goes out: by the core's one flush, with one of two transports.
extension Server {
    package mutating func flush() {
        plain?.flush(&core)
        secure?.flush(&core)
        noteSendMethod()
        if core.hasAnnounced {
            core.observeFlush(wall: Timestamp(microseconds: Clock.wallMicroseconds()))
        }
    }

    private mutating func noteSendMethod() {
        core.metrics.ringRefusals = plain?.batch.refusals ?? secure?.plain.batch.refusals ?? 0
        let method = plain?.batch.method ?? secure?.plain.batch.method ?? .send
        guard method != core.metrics.sendMethod else { return }
        // The ring failed so often that it was given up.
        core.metrics.sendMethod = method
        core.log.sendMethodChanged(to: method.name, because: "io_uring keeps failing")
    }
}

extension SocketTransport {
    fileprivate mutating func flush(_ core: inout Core) { core.flush(to: &self) }
}

extension SecureTransport {
    fileprivate mutating func flush(_ core: inout Core) { core.flush(to: &self) }
}
