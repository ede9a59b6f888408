// The settings that are a number or `off`.
extension Configuration {
    /// Where the limit of a setting is kept; `nil` for a setting that isn't one.
    private static func path(
        _ setting: Setting
    ) -> WritableKeyPath<AdmissionLimits, Int?>? {
        switch setting {
        case .connectionsPerAddress: \.connectionsPerAddress
        case .connectionsPerUser: \.connectionsPerUser
        case .handshakesPerSecond: \.handshakesPerSecond
        case .unauthenticatedConnections: \.unauthenticatedConnections
        case .messagesPerSecond: \.messagesPerSecond
        case .errorsPerMinute: \.errorsPerMinute
        default: nil
        }
    }

    /// What a limit may be. Messages and errors are kept in the few bits of a client's record.
    private static func range(_ setting: Setting) -> ClosedRange<Int> {
        switch setting {
        case .messagesPerSecond: 1...10_000
        case .errorsPerMinute: 1...250
        case .handshakesPerSecond: 1...100_000
        default: 1...10_000_000
        }
    }

    /// The limit of a setting; `nil` when it is off.
    func limit(_ setting: Setting) -> Int? {
        guard let path = Self.path(setting) else { return nil }
        return admission[keyPath: path]
    }

    /// Returns whether the text is one that the setting can have.
    mutating func setLimit(_ setting: Setting, to text: String) -> Bool {
        guard let path = Self.path(setting) else { return false }
        guard text != "off" else {
            admission[keyPath: path] = nil
            return true
        }
        guard let number = Self.number(text, in: Self.range(setting)) else { return false }
        admission[keyPath: path] = number
        return true
    }
}
