internal import Reactor

// Everything goes out: by the core's own flush (`Core+Flush`), or, where clients speak TLS, by way
// of their sessions.
extension Server {
    mutating func flush() {
        if secure == nil {
            core.flush(to: &sender)
        } else {
            flushSecurely()
        }
        core.metrics.ringRefusals = sender.batch.refusals
        if sender.batch.method != core.sendMethod { noteSendMethod() }
        if !core.announced.isEmpty {
            core.observeFlush(wall: Timestamp(microseconds: Clock.wallMicroseconds()))
        }
    }

    /// The ring failed so often that it was given up.
    private mutating func noteSendMethod() {
        core.sendMethod = sender.batch.method
        core.log.sendMethodChanged(
            to: sender.batch.method.name, because: "io_uring keeps failing")
    }
}
