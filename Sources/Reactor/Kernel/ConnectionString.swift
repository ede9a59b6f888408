internal import CEpollShim

/// A PostgreSQL connection string (`postgresql://…` or `key=value …`) taken apart by libpq, so
/// that it can be checked before use and shown without its passwords.
public struct ConnectionString: Sendable {
    public struct Option: Equatable, Sendable {
        public let keyword: String
        public let value: String
        /// libpq marks it as a password, not to be shown.
        public let isSecret: Bool
    }

    /// What the string gives, in libpq's order; neither defaults nor `PG…` variables.
    public let options: [Option]

    /// `nil` if libpq doesn't understand it. Its message isn't passed on, because it quotes parts
    /// of the string, and a password with an unescaped `@` or space is among the likeliest errors.
    public init?(_ text: String) {
        let parsed = unsafe text.withCString { unsafe PQconninfoParse($0, nil) }
        guard let first = unsafe parsed else { return nil }
        defer { unsafe PQconninfoFree(first) }
        var options: [Option] = []
        var entry = unsafe first
        while let keyword = unsafe entry.pointee.keyword {
            if let value = unsafe entry.pointee.val {
                // dispchar "*": "Password field - hide value" (libpq, PQconninfoOption).
                let mark = unsafe entry.pointee.dispchar.map { unsafe $0.pointee } ?? 0
                unsafe options.append(
                    Option(
                        keyword: String(cString: keyword), value: String(cString: value),
                        isSecret: mark == CChar(UInt8(ascii: "*"))))
            }
            unsafe entry += 1
        }
        self.options = options
    }

    /// `key=value` pairs with every password as asterisks.
    public var masked: String {
        options.map { "\($0.keyword)=\($0.isSecret ? "****" : $0.value)" }.joined(separator: " ")
    }
}
