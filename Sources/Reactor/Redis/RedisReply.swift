/// What a Redis server answers, as far as it is of use here (RESP2).
public struct RedisReply: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        case status
        case error
        case integer
        case text
        case array
        case null
    }

    public let kind: Kind
    public let integer: Int64
    /// The text itself, or of an array the texts of its first level, in their order.
    public let texts: [[UInt8]]

    public init(kind: Kind, integer: Int64 = 0, texts: [[UInt8]] = []) {
        self.kind = kind
        self.integer = integer
        self.texts = texts
    }

    /// At most 200 bytes of what an error says.
    public var message: String {
        String(decoding: (texts.first ?? []).prefix(200), as: UTF8.self)
    }
}

/// Why a connection to Redis can't go on.
public enum RedisFault: Error, Equatable, Sendable {
    /// What came isn't the protocol.
    case malformed
    /// More was sent than any answer has.
    case flooded
    case outOfMemory
    /// The connection wasn't made, or broke.
    case failed(Errno)
    /// The server has ended it.
    case closed
    /// The certificate wasn't believed, or no TLS is spoken.
    case secure(String)
}

extension RedisFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed: "what came isn't Redis' protocol"
        case .flooded: "more was sent than any answer has"
        case .outOfMemory: "out of memory"
        case .failed(let errno): errno.description
        case .closed: "the server ended the connection"
        case .secure(let reason): "TLS: \(reason)"
        }
    }
}
