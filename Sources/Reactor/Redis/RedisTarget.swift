/// Where a Redis server is and who asks it, from a URL:
///
///     redis://[user:password@]host[:port][/db]    rediss:// with TLS    unix://[user:password@]/path
///     redis+sentinel://[user:password@]host[:port],host[:port]…/name[/db]    rediss+sentinel:// with TLS
///
/// The database's number is ignored: what is published is published in all of them.
public struct RedisTarget: Equatable, Sendable {
    public enum Place: Equatable, Sendable {
        case host(RedisHost)
        /// A Unix socket.
        case path(String)
        /// Where these say.
        case sentinels(RedisSentinels)
    }

    public let place: Place
    /// Whether TLS is spoken, with Sentinels too.
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
        guard let (scheme, rest) = URLText.split(text, at: "://") else {
            throw Fault(reason: "not a URL such as redis://host:6379")
        }
        switch scheme {
        case "redis", "unix", "redis+sentinel": isSecure = false
        case "rediss", "rediss+sentinel": isSecure = true
        default:
            throw Fault(
                reason: """
                    it must begin with redis://, rediss://, unix://, redis+sentinel:// or \
                    rediss+sentinel://
                    """)
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
        let mark = place.firstIndex { $0 == "?" || $0 == "#" } ?? place.endIndex
        switch scheme {
        case "unix": self.place = try Self.path(place[..<mark])
        case "redis", "rediss": self.place = try Self.host(place[..<mark])
        default:
            let sentinels = try RedisSentinels(place[..<mark], options: place[mark...])
            guard !sentinels.areAuthenticated || !password.isEmpty else {
                throw Fault(reason: "sentinel-auth=same needs a password")
            }
            self.place = .sentinels(sentinels)
        }
    }

    private static func userAndPassword(
        _ text: Substring
    ) throws(Fault) -> (user: String, password: String) {
        guard !text.contains("/") else {
            throw Fault(reason: "a / in the user or password must be written %2F")
        }
        let (first, second) = URLText.split(text, at: ":") ?? (text, "")
        guard let user = URLText.decoded(first), let password = URLText.decoded(second) else {
            throw Fault(reason: "the user or password holds a % that isn't percent-encoding")
        }
        guard user.isEmpty || !password.isEmpty else {
            throw Fault(reason: "a user needs a password: redis://user:password@host")
        }
        return (user, password)
    }

    private static func path(_ text: Substring) throws(Fault) -> Place {
        guard let path = URLText.decoded(text), path.hasPrefix("/"),
            LocalAddress(path: Array(path.utf8)) != nil
        else {
            throw Fault(reason: "unix:// needs an absolute path of at most 107 bytes")
        }
        return .path(path)
    }

    private static func host(_ text: Substring) throws(Fault) -> Place {
        let authority = text.prefix { $0 != "/" }
        guard URLText.isDigits(text.dropFirst(authority.count).dropFirst()) else {
            throw Fault(reason: "behind the host a database's number may stand, nothing else")
        }
        return .host(try RedisHost(authority, standardPort: standardPort))
    }

    // MARK: What it means

    /// The host; `nil` for a Unix socket, and where Sentinels say which it is.
    public var host: RedisHost? {
        guard case .host(let host) = place else { return nil }
        return host
    }

    /// `nil` where the URL says itself where Redis is.
    public var sentinels: RedisSentinels? {
        guard case .sentinels(let sentinels) = place else { return nil }
        return sentinels
    }

    /// Whether nobody but this host is on the way: a Unix socket, or a loopback address. Sentinels may name
    /// any host.
    public var isLocal: Bool {
        switch place {
        case .path: true
        case .host(let host): host.isLocal
        case .sentinels: false
        }
    }

    /// The names that have to be looked up first, of Redis or of Sentinels.
    public var namesToResolve: [String] {
        switch place {
        case .path: []
        case .host(let host): host.nameToResolve.map { [$0] } ?? []
        case .sentinels(let sentinels): sentinels.namesToResolve
        }
    }

    /// Where to connect, of a place that needs no look-up or with what it found; `nil` where Sentinels have
    /// to be asked.
    public func address(resolved: [ResolvedHost], attempt: Int) -> RedisAddress? {
        switch place {
        case .path(let path): LocalAddress(path: Array(path.utf8)).map { .local($0) }
        case .host(let host): host.address(resolved: resolved, attempt: attempt)
        case .sentinels: nil
        }
    }

    /// For people, without who asks.
    public var name: String {
        let scheme = isSecure ? "rediss" : "redis"
        switch place {
        case .path(let path): return "unix://\(path)"
        case .host(let host): return "\(scheme)://\(host)"
        case .sentinels(let sentinels):
            let hosts = sentinels.hosts.map(\.description).joined(separator: ",")
            let options = sentinels.areAuthenticated ? "?sentinel-auth=same" : ""
            return "\(scheme)+sentinel://\(hosts)/\(sentinels.primary)\(options)"
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
