/// The Sentinels that know where a primary is, what they call it, and what they answer.
public struct RedisSentinels: Equatable, Sendable {
    /// In the URL's order, one to `hostsMax`.
    public let hosts: [RedisHost]
    /// The primary's name, as in `sentinel monitor`.
    public let primary: String
    /// Whether they are told the user and password that are Redis' (`?sentinel-auth=same`).
    public let areAuthenticated: Bool

    public static let standardPort: UInt16 = 26_379
    /// More than any set of Sentinels needs: five outvote two that are lost.
    public static let hostsMax = 8
    /// Bytes of a primary's name, and of a host's name (RFC 1035 §2.3.4).
    static let primaryBytesMax = 128
    static let hostBytesMax = 253

    /// Reads `host[:port],host[:port]…/name[/db]`.
    ///
    /// - Parameter options: what stands behind, from a `?` or `#` on.
    init(_ text: Substring, options: Substring) throws(RedisTarget.Fault) {
        let authority = text.prefix { $0 != "/" }
        var hosts: [RedisHost] = []
        for host in authority.split(separator: ",", omittingEmptySubsequences: false) {
            guard hosts.count < Self.hostsMax else {
                throw RedisTarget.Fault(reason: "it names more than \(Self.hostsMax) Sentinels")
            }
            hosts.append(try RedisHost(host, standardPort: Self.standardPort))
        }
        let path = text.dropFirst(authority.count).dropFirst()
        let (name, database) = URLText.split(path, at: "/") ?? (path, "")
        guard let primary = URLText.decoded(name), Self.isName(primary) else {
            throw RedisTarget.Fault(
                reason: """
                    behind the Sentinels the primary's name must stand, 1 to \
                    \(Self.primaryBytesMax) of A-Z a-z 0-9 . - _: redis+sentinel://host:26379/name
                    """)
        }
        guard URLText.isDigits(database) else {
            throw RedisTarget.Fault(
                reason: "behind the name a database's number may stand, nothing else")
        }
        guard options.count <= 1 || options == "?sentinel-auth=same" else {
            throw RedisTarget.Fault(
                reason: "behind the name ?sentinel-auth=same may stand, nothing else")
        }
        self.hosts = hosts
        self.primary = primary
        areAuthenticated = options.count > 1
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= primaryBytesMax && text.utf8.allSatisfy(isNameByte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// The names that have to be looked up before they are asked.
    public var namesToResolve: [String] { hosts.compactMap(\.nameToResolve) }

    /// What each is asked.
    public var question: [[UInt8]] {
        ["SENTINEL", "get-master-addr-by-name", primary].map { Array($0.utf8) }
    }

    /// What an answer says, which is a stranger's word.
    public enum Answer: Equatable, Sendable {
        case primary(RedisHost)
        /// It watches none of that name.
        case unknownName
        case refused(String)
        /// Anything else, an address that can't be one included.
        case odd
    }

    public static func answer(_ reply: RedisReply) -> Answer {
        switch reply.kind {
        case .null: return .unknownName
        case .error: return .refused(reply.message)
        case .status, .integer, .text: return .odd
        case .array: break
        }
        guard reply.texts.count == 2, let port = RedisHost.port(reply.texts[1]),
            let host = String(validating: reply.texts[0], as: UTF8.self), isHost(host)
        else { return .odd }
        return .primary(RedisHost(name: host, port: port))
    }

    private static func isHost(_ text: String) -> Bool {
        // inet_pton(3) would end at a zero byte.
        guard !text.isEmpty, text.utf8.count <= hostBytesMax, !text.utf8.contains(0) else {
            return false
        }
        if let address = SocketAddress(host: text, port: 0) { return !address.isUnspecified }
        return text.utf8.allSatisfy(isNameByte)
    }
}

extension SocketAddress {
    /// 0.0.0.0 or ::, which lead to this host by accident only.
    var isUnspecified: Bool {
        high == 0 && (low == 0 || isIPv4 && low & 0xFFFF_FFFF == 0)
    }
}
