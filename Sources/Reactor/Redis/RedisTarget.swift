/// Where a Redis server is and who asks it, from a URL:
///
///     redis://[user:password@]host[:port][/db]    rediss:// with TLS    unix://[user:password@]/path
///
/// The database's number is ignored: what is published is published in all of them.
public struct RedisTarget: Equatable, Sendable {
    public enum Place: Equatable, Sendable {
        case host(String, port: UInt16)
        /// A Unix socket.
        case path(String)
    }

    public let place: Place
    public let isSecure: Bool
    /// Empty for the default user.
    public let user: String
    /// Empty for none.
    public let password: String

    public static let standardPort: UInt16 = 6_379

    /// What is wrong with a URL, without anything of it: it may have a password in it.
    public struct Fault: Error, Equatable, Sendable {
        public let reason: String

        public init(reason: String) { self.reason = reason }
    }

    public init(_ text: String) throws(Fault) {
        guard let (scheme, rest) = Self.split(text, at: "://") else {
            throw Fault(reason: "not a URL such as redis://host:6379")
        }
        switch scheme {
        case "redis", "unix": isSecure = false
        case "rediss": isSecure = true
        default: throw Fault(reason: "it must begin with redis://, rediss:// or unix://")
        }
        var place = rest
        var words: (user: String, password: String) = ("", "")
        // The path of a Unix socket may have an @ of its own, behind its first slash.
        let authority = scheme == "unix" ? rest.prefix { $0 != "/" } : rest
        if let at = authority.lastIndex(of: "@") {
            words = try Self.userAndPassword(rest[..<at])
            place = rest[rest.index(after: at)...]
        }
        (user, password) = words
        if let mark = place.firstIndex(where: { $0 == "?" || $0 == "#" }) {
            place = place[..<mark]
        }
        self.place = try scheme == "unix" ? Self.path(place) : Self.host(place)
    }

    private static func userAndPassword(
        _ text: Substring
    ) throws(Fault) -> (user: String, password: String) {
        guard !text.contains("/") else {
            throw Fault(reason: "a / in the user or password must be written %2F")
        }
        let (first, second) = split(text, at: ":") ?? (text, "")
        guard let user = decoded(first), let password = decoded(second) else {
            throw Fault(reason: "the user or password holds a % that isn't percent-encoding")
        }
        guard user.isEmpty || !password.isEmpty else {
            throw Fault(reason: "a user needs a password: redis://user:password@host")
        }
        return (user, password)
    }

    private static func path(_ text: Substring) throws(Fault) -> Place {
        guard let path = decoded(text), path.hasPrefix("/"),
            LocalAddress(path: Array(path.utf8)) != nil
        else {
            throw Fault(reason: "unix:// needs an absolute path of at most 107 bytes")
        }
        return .path(path)
    }

    private static func host(_ text: Substring) throws(Fault) -> Place {
        let authority = text.prefix { $0 != "/" }
        let database = text.dropFirst(authority.count).dropFirst()
        guard database.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else {
            throw Fault(reason: "behind the host a database's number may stand, nothing else")
        }
        var host = authority
        var digits: Substring?
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else {
                throw Fault(reason: "the [ of an IPv6 address has no ]")
            }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let behind = authority[authority.index(after: end)...]
            guard behind.isEmpty || behind.first == ":" else {
                throw Fault(
                    reason: "behind the ] of an IPv6 address a port may stand, nothing else")
            }
            digits = behind.isEmpty ? nil : behind.dropFirst()
        } else if let (name, port) = split(authority, at: ":") {
            host = name
            digits = port
        }
        guard let name = decoded(host), !name.isEmpty, !name.utf8.contains(0) else {
            throw Fault(reason: "it has no host")
        }
        guard let digits else { return .host(name, port: standardPort) }
        guard let port = UInt16(digits), port > 0, digits.first != "+" else {
            throw Fault(reason: "the port must be a number from 1 to 65535")
        }
        return .host(name, port: port)
    }

    private static func split<Text: StringProtocol>(
        _ text: Text, at separator: String
    ) -> (Substring, Substring)? where Text.SubSequence == Substring {
        var position = text.startIndex
        while position < text.endIndex {
            if text[position...].hasPrefix(separator) {
                let end = text.index(position, offsetBy: separator.count)
                return (text[..<position], text[end...])
            }
            position = text.index(after: position)
        }
        return nil
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let high = digit(rest.removeFirst()),
                let low = digit(rest.removeFirst())
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    // MARK: What it means

    /// Whether nobody but this host is on the way: a Unix socket, or a loopback address.
    public var isLocal: Bool {
        switch place {
        case .path: true
        case .host("localhost", _): true
        case .host(let name, _):
            SocketAddress(host: name, port: 0).map { $0.isLoopback } ?? false
        }
    }

    /// The name that has to be looked up; `nil` for an address and a path.
    public var hostToResolve: String? {
        guard case .host(let name, _) = place, SocketAddress(host: name, port: 0) == nil else {
            return nil
        }
        return name
    }

    /// Where to connect, of a place that needs no look-up or with what it found.
    ///
    /// - Parameter attempt: turns the list, so that an address that answers nothing isn't always the
    ///   first.
    public func address(resolved: [ResolvedHost], attempt: Int) -> RedisAddress? {
        switch place {
        case .path(let path): return LocalAddress(path: Array(path.utf8)).map { .local($0) }
        case .host(let name, let port):
            let addresses = resolved.first { $0.name == name }?.addresses ?? []
            guard hostToResolve != nil else {
                return SocketAddress(host: name, port: port).map { .network($0) }
            }
            guard !addresses.isEmpty else { return nil }
            let text = addresses[attempt % addresses.count]
            return SocketAddress(host: text, port: port).map { .network($0) }
        }
    }

    /// For people, without who asks.
    public var name: String {
        switch place {
        case .path(let path): "unix://\(path)"
        case .host(let name, let port):
            "\(isSecure ? "rediss" : "redis")://\(name.contains(":") ? "[\(name)]" : name):\(port)"
        }
    }

    /// The same with what stands for a password.
    public var masked: String {
        guard !password.isEmpty else { return name }
        let parts = name.split(separator: "://", maxSplits: 1)
        return "\(parts[0])://\(user):****@\(parts[1])"
    }
}

/// Where a connection leads.
public enum RedisAddress: Sendable {
    case network(SocketAddress)
    case local(LocalAddress)
}

extension SocketAddress {
    /// 127.0.0.0/8 or ::1: nobody but this host.
    public var isLoopback: Bool {
        isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1
    }
}
