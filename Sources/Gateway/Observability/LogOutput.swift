package import Reactor

/// Where log lines go, and the count of those that didn't. Copies count into one place.
package struct LogOutput: Sendable {
    private let standardError: StandardError
    private let dropped = SharedCounter()

    package init(standardError: StandardError = StandardError()) {
        self.standardError = standardError
    }

    /// Lines that were lost because standard error didn't take them at once.
    package var droppedCount: UInt64 { dropped.value }

    /// Writes one line or drops it; never waits.
    func write(_ line: borrowing Span<UInt8>) {
        if standardError.write(line) != .written { dropped.increment() }
    }
}

/// The log's own figures, for `/metrics`.
package struct LogFigures: Equatable, Sendable {
    /// Lines over their kind's rate limit.
    package var linesSuppressed: UInt64
    /// Lines that standard error didn't take.
    package var linesDropped: UInt64

    package init(linesSuppressed: UInt64, linesDropped: UInt64) {
        self.linesSuppressed = linesSuppressed
        self.linesDropped = linesDropped
    }
}
