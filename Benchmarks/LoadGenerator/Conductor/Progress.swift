internal import CEpollShim
internal import Reactor

/// One line on a terminal that says how far a run is.
struct Progress {
    private let isShown: Bool
    private var lastShown = Instant(nanoseconds: 0)

    /// - Parameter isShown: nothing is shown where standard error isn't a terminal either.
    init(isShown: Bool) {
        self.isShown = isShown && isatty(2) == 1
    }

    /// At most five times a second.
    mutating func show(_ text: @autoclosure () -> String) {
        guard isShown else { return }
        let now = Clock.monotonic()
        guard now.nanoseconds(since: lastShown) > 200_000_000 else { return }
        lastShown = now
        StandardError.writeWaiting("\r\u{1B}[K\(text())")
    }

    func clear() {
        guard isShown else { return }
        StandardError.writeWaiting("\r\u{1B}[K")
    }
}
