/// Why the configuration can't be used: one line for the operator.
package struct ConfigurationError: Error, Equatable, Sendable {
    /// The option or variable as it is written: `--ping-interval`, `DEVHIVE_PING_INTERVAL`.
    package let source: String
    /// What stands there; `nil` if nothing does or if it is a secret.
    package let value: String?
    /// What is allowed, or what is wrong.
    package let reason: String

    package init(source: String, value: String?, reason: String) {
        self.source = source
        self.value = value
        self.reason = reason
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// `--ping-interval: '5 s' is refused: a duration from …`. One line, whatever the value holds.
    package var description: String {
        guard let value else { return "\(source): \(reason)" }
        let shown = value.unicodeScalars.prefix(Self.valueCharactersMax).map { scalar in
            scalar.properties.generalCategory == .control ? "?" : String(scalar)
        }
        let mark = value.unicodeScalars.count > Self.valueCharactersMax ? "…" : ""
        return "\(source): '\(shown.joined())\(mark)' is refused: \(reason)"
    }

    /// Enough to recognise a value by; a terminal's width.
    private static let valueCharactersMax = 80
}
