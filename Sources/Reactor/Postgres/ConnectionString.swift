internal import CEpollShim

/// A PostgreSQL connection string (`postgresql://…` or `keyword=value …`), taken apart by libpq and
/// completed with what a gateway needs. It holds the password; none of its texts shows it.
public struct ConnectionString: Sendable {
    /// One of libpq's connection options (manual, "Parameter Key Words").
    public struct Option: Equatable, Sendable {
        public let keyword: String
        public let value: String
        /// libpq marks it as one not to be shown.
        public let isSecret: Bool

        init(_ keyword: String, _ value: String, isSecret: Bool = false) {
            self.keyword = keyword
            self.value = value
            self.isSecret = isSecret
        }
    }

    /// What the string gives, in libpq's order, and then what was added to it.
    public let options: [Option]

    /// What is added unless the string, or libpq's environment variable for it, says otherwise.
    ///
    /// A connection whose peer vanished is given up after 20 s: with nothing under way by the
    /// keepalive probes, with unacknowledged data by `tcp_user_timeout`. Encryption by GSSAPI is
    /// off because negotiating it asks a Kerberos server, which would block.
    public static let additions = [
        Option("application_name", "devhive-gateway"),
        Option("connect_timeout", "10"),  // Seconds; libpq heeds it in blocking calls only.
        Option("keepalives", "1"),
        Option("keepalives_idle", "5"),  // Seconds.
        Option("keepalives_interval", "5"),  // Seconds.
        Option("keepalives_count", "3"),
        Option("tcp_user_timeout", "20000"),  // Milliseconds.
        Option("gssencmode", "disable"),
    ]

    /// The longest list of hosts: each may take the whole of a connection's deadline.
    public static let hostsMax = 16

    public init(_ text: String) throws(ConnectionStringError) {
        var options = try Self.parse(text)
        for option in options where option.keyword == "service" {
            throw .unsupported("service", "its host would be looked up by libpq, which blocks")
        }
        let given = Set(options.map(\.keyword))
        options += Self.additions.filter { !given.contains($0.keyword) }
        // Text is UTF-8 everywhere in this program: the one option that isn't the user's.
        options.removeAll { $0.keyword == "client_encoding" }
        options.append(Option("client_encoding", "UTF8"))
        self.options = options
        try Self.check(hosts, databaseName: value(of: "dbname"))
    }

    /// The value of an option, if there is one.
    public func value(of keyword: String) -> String? {
        options.first { $0.keyword == keyword }?.value
    }

    /// The host names that have to be resolved before libpq gets them; mostly none or one.
    public var hostsToResolve: [String] {
        var names: [String] = []
        for host in hosts where host.needsResolution && !names.contains(host.name) {
            names.append(host.name)
        }
        return names
    }

    /// `keyword=value` pairs with every password as asterisks, for logs.
    public var masked: String {
        options.map(\.description).joined(separator: " ")
    }

    /// Where it leads, for logs: hosts, ports and database only.
    public var summary: String {
        let places = hosts.map { host in
            let name = host.name.isEmpty ? host.address : host.name
            let port = host.port.isEmpty ? "" : ":\(host.port)"
            return (name.isEmpty ? "local socket" : name) + port
        }
        return places.joined(separator: ",") + "/" + (value(of: "dbname") ?? "")
    }
}

extension ConnectionString: CustomStringConvertible, CustomReflectable {
    public var description: String { masked }

    public var customMirror: Mirror {
        Mirror(reflecting: masked)
    }
}

extension ConnectionString.Option: CustomStringConvertible, CustomReflectable {
    public var description: String {
        "\(keyword)=\(isSecret ? "****" : value)"
    }

    public var customMirror: Mirror {
        Mirror(reflecting: description)
    }
}

extension ConnectionString {
    /// libpq's reading of the text, and for what it leaves open libpq's environment variables:
    /// those that say where to connect must be known here, because names in them are resolved.
    private static func parse(_ text: String) throws(ConnectionStringError) -> [Option] {
        guard !text.utf8.contains(0) else { throw .malformed("it holds a NUL byte") }
        var complaint: UnsafeMutablePointer<CChar>?
        let parsed = unsafe text.withCString { unsafe PQconninfoParse($0, &complaint) }
        guard let first = unsafe parsed else {
            defer { unsafe PQfreemem(complaint) }
            throw .malformed(unsafe withoutQuotations(PostgresError.line(complaint)))
        }
        defer { unsafe PQconninfoFree(first) }
        var options: [Option] = []
        var entry = unsafe first
        while let keyword = unsafe entry.pointee.keyword {
            let variable = unsafe entry.pointee.envvar.flatMap { unsafe getenv($0) }
            if let value = unsafe entry.pointee.val ?? variable {
                // dispchar "*": "Password field - hide value" (PQconninfoOption).
                let mark = unsafe entry.pointee.dispchar.map { unsafe $0.pointee } ?? 0
                unsafe options.append(
                    Option(
                        String(cString: keyword), String(cString: value),
                        isSecret: mark == CChar(UInt8(ascii: "*"))))
            }
            unsafe entry += 1
        }
        return options
    }

    /// libpq quotes the part that it can't read, or the whole string, and a password with an
    /// unescaped `@` or space is among the likeliest errors: everything from the first quotation
    /// mark to the last goes.
    private static func withoutQuotations(_ message: String) -> String {
        guard let first = message.firstIndex(of: "\""), let last = message.lastIndex(of: "\"")
        else { return message }
        return message[..<first] + "\"…\"" + message[message.index(after: last)...]
    }

    /// Refuses what libpq reads without complaint though the user meant something else; its later
    /// complaint would quote a piece of the password.
    private static func check(_ hosts: [Host], databaseName: String?)
        throws(ConnectionStringError)
    {
        if hosts.count > hostsMax { throw .tooManyHosts }
        for host in hosts where !host.port.isEmpty && (UInt16(host.port) ?? 0) == 0 {
            throw .malformed("a port isn't a number from 1 to 65535")
        }
        if let databaseName, databaseName.contains("@") {
            throw .malformed("the database's name holds @: escape / in the password as %2F")
        }
    }
}

/// Why a connection string can't be used. No part of the string is in it but option names.
public enum ConnectionStringError: Error, Equatable, Sendable {
    case malformed(String)
    /// An option that this program can't honour, and why.
    case unsupported(String, String)
    /// More than `ConnectionString.hostsMax`.
    case tooManyHosts
}

extension ConnectionStringError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed(let reason): "malformed connection string: \(reason)"
        case .unsupported(let option, let reason): "option \(option) isn't supported: \(reason)"
        case .tooManyHosts: "more than \(ConnectionString.hostsMax) hosts"
        }
    }
}
