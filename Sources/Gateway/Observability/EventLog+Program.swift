internal import Logging
package import Reactor

/// The program's own life.
extension EventLog {
    package func starting(version: String, connectionsMax: Int, sendMethod: StaticString) {
        write(
            .info, "starting",
            [
                "version": .string(version), "max_connections": .stringConvertible(connectionsMax),
                "send_method": .string("\(sendMethod)"),
            ])
    }

    /// `listener` is `public` or `admin`; `address` as it was bound, so with the port that the
    /// kernel chose if none was given.
    package func listening(listener: StaticString, address: String) {
        write(
            .info, "listening",
            ["listener": .string("\(listener)"), "address": .string(address)])
    }

    /// Every user may look at every project: worth a line that stands out.
    package func membershipIsOff() {
        write(
            .warning, "membership checks are off: every valid token may subscribe to any project")
    }

    /// Something about the configuration that isn't an error. See `Configuration.warnings`.
    package func configurationWarning(_ text: String) {
        write(.warning, "configuration", ["detail": .string(text)])
    }

    /// SIGHUP: `what` was read again, of which there are now `count`.
    package func reloaded(_ what: StaticString, count: Int) {
        write(
            .notice, "reloaded",
            ["what": .string("\(what)"), "count": .stringConvertible(count)])
    }

    /// SIGHUP: `what` couldn't be read again, and stays as it was.
    package func reloadFailed(_ what: StaticString, error: String) {
        write(
            .error, "reload failed, the old ones stay in use",
            ["what": .string("\(what)"), "error": .string(error)])
    }

    package func draining(connections: Int, seconds: Int) {
        write(
            .notice, "draining",
            [
                "connections": .stringConvertible(connections),
                "seconds": .stringConvertible(seconds),
            ])
    }

    package func stopped(exitCode: Int32, connectionsLeft: Int) {
        write(
            .notice, "stopped",
            [
                "exit_code": .stringConvertible(exitCode),
                "connections_left": .stringConvertible(connectionsLeft),
            ])
    }

    /// Accepting stops until a descriptor becomes free.
    package mutating func acceptPaused(_ error: Errno, connections: Int, at now: Instant) {
        guard let suppressed = admit(.acceptPaused, at: now) else { return }
        write(
            .warning, "accepting paused",
            [
                "error": .string(error.description),
                "connections": .stringConvertible(connections),
            ],
            suppressed: suppressed)
    }

    /// The faster way to send turned out not to work; the program goes on with `now`.
    package func sendMethodChanged(to method: StaticString, because error: String) {
        write(
            .warning, "send method changed",
            ["send_method": .string("\(method)"), "error": .string(error)])
    }

    /// The process can't go on, or couldn't begin.
    package func failed(_ what: String, error: String) {
        write(.critical, "failed", ["what": .string(what), "error": .string(error)])
    }
}
