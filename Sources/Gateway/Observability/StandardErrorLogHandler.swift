package import Logging
internal import Reactor

/// swift-log's handler for this program: one line for each event, to standard error, never
/// waiting. Metadata stands in the order of its keys.
package struct StandardErrorLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let format: LogFormat
    private let output: LogOutput
    private let clock: @Sendable () -> Int64

    /// `clock` gives microseconds since 1970.
    package init(
        format: LogFormat, level: Logger.Level, output: LogOutput,
        clock: @escaping @Sendable () -> Int64 = { Clock.wallMicroseconds() }
    ) {
        self.format = format
        self.logLevel = level
        self.output = output
        self.clock = clock
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var pairs = metadata
        if let provided = metadataProvider?.get() {
            pairs.merge(provided) { _, newer in newer }
        }
        if let given = event.metadata { pairs.merge(given) { _, newer in newer } }
        if let error = event.error { pairs["error"] = .string("\(error)") }

        var line = LogLine(format: format)
        line.begin(
            microseconds: clock(), level: event.level, message: event.message.description)
        for key in pairs.keys.sorted() {
            guard let value = pairs[key] else { continue }
            line.add(key: key, value: value.description, isLiteral: Self.isLiteral(value))
        }
        line.finish()
        if output.write(line.buffer.bytes) { reportDropped() }
    }

    /// Tells whoever reads the log again that lines are missing, whatever its level is.
    private func reportDropped() {
        let count = output.unreportedCount
        guard count > 0 else { return }
        var line = LogLine(format: format)
        line.begin(microseconds: clock(), level: .warning, message: "log lines dropped")
        line.add(key: "dropped", value: String(count), isLiteral: true)
        if let worker = metadata["worker"] {
            line.add(key: "worker", value: worker.description, isLiteral: Self.isLiteral(worker))
        }
        line.finish()
        output.report(line.buffer.bytes, of: count)
    }

    /// Whether JSON can hold the value as a number or a boolean. Floating point isn't among
    /// them: JSON has no infinity.
    private static func isLiteral(_ value: Logger.Metadata.Value) -> Bool {
        guard case .stringConvertible(let content) = value else { return false }
        return content is any FixedWidthInteger || content is Bool
    }
}
