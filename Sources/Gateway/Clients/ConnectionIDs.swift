package import Reactor

/// The ids under which connections are known to their clients, and in `origin`.
///
/// Whoever names another's id as the origin of a change keeps it from that client. So an id is a keyed
/// hash of the connection's number: a client that knows its own can't tell any other, and no two
/// connections of all gateways share one.
package struct ConnectionIDs: ~Copyable {
    private var hash: HMACSHA256

    /// - Parameter key: known to this process alone, and random: 16 bytes or more.
    package init(key: borrowing Span<UInt8>) throws(CryptoFailure) {
        precondition(key.count >= 16)
        hash = try HMACSHA256(key: key)
    }

    /// With a key that nobody chose.
    package init() throws(CryptoFailure) {
        var key = InlineArray<32, UInt8>(repeating: 0)
        Random.fill(key.mutableSpan)
        try self.init(key: key.span)
    }

    /// The id of the connection of this number, the same each time: the hash's first half (RFC 2104 §5).
    mutating func id(of number: UInt64) throws(CryptoFailure) -> UUID {
        var message = InlineArray<8, UInt8>(repeating: 0)
        for place in 0..<8 {
            message[place] = UInt8(truncatingIfNeeded: number >> UInt64(8 * place))
        }
        let code = try hash.digest(of: message.span)
        var words = (high: UInt64(0), low: UInt64(0))
        for place in 0..<8 {
            words.high = words.high << 8 | UInt64(code[place])
            words.low = words.low << 8 | UInt64(code[8 + place])
        }
        return UUID(high: words.high, low: words.low)
    }
}
