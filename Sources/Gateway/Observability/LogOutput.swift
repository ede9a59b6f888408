package import Reactor

/// Where log lines go, and the count of those that didn't. Copies count into one place.
package struct LogOutput: Sendable {
    private let lines: LineOutput
    private let dropped = SharedCounter()
    private let reported = SharedCounter()

    package init(_ lines: LineOutput = LineOutput()) {
        self.lines = lines
    }

    /// Lines that were lost because standard error didn't take them at once.
    package var droppedCount: UInt64 { dropped.value }

    /// Those of them that no line has told of.
    package var unreportedCount: UInt64 { dropped.value - reported.value }

    /// Writes one line or drops it; never waits. Returns whether it was written.
    @discardableResult
    func write(_ line: borrowing Span<UInt8>) -> Bool {
        if lines.write(line) == .written { return true }
        dropped.increment()
        return false
    }

    /// Writes the line that tells of `count` lines that were lost, or tries it again with the next.
    func report(_ line: borrowing Span<UInt8>, of count: UInt64) {
        if lines.write(line) == .written { reported.add(count) }
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
