package import Reactor

/// A client's opening handshake that holds (RFC 6455 §4.2.1), as places in the head's bytes.
package struct Handshake: Sendable {
    /// The value of `Sec-WebSocket-Key`, `keyCount` characters.
    package let key: Range<Int>
    package let subprotocols: SubprotocolOffer

    /// Characters of a key: sixteen bytes in Base64.
    package static let keyCount = 24

    /// Checks `head`, whose bytes are `bytes`.
    package init(of head: RequestHead, in bytes: borrowing Span<UInt8>) throws(HTTPError) {
        guard head.method == .get else { throw .methodNotAllowed(.get) }
        guard head.version == .http11 else { throw .badRequest("WebSocket needs HTTP/1.1") }
        guard head.upgrade.isPresent else { throw .upgradeRequired }
        guard head.upgradesToWebSocket else {
            throw .badRequest("the Upgrade header doesn't list websocket")
        }
        guard head.connectionListsUpgrade else {
            throw .badRequest("the Connection header doesn't list Upgrade")
        }
        // Before the key: other versions may have none.
        guard head.webSocketVersion.isPresent else {
            throw .badRequest("the Sec-WebSocket-Version header is missing")
        }
        guard head.webSocketVersion.count == 1 else {
            throw .badRequest("the Sec-WebSocket-Version header came twice")
        }
        guard ASCII.isEqual(bytes, head.webSocketVersion.range, to: "13") else {
            throw .upgradeRequired
        }
        guard head.webSocketKey.isPresent else {
            throw .badRequest("the Sec-WebSocket-Key header is missing")
        }
        guard head.webSocketKey.count == 1 else {
            throw .badRequest("the Sec-WebSocket-Key header came twice")
        }
        guard Self.isKey(head.webSocketKey.range, in: bytes) else {
            throw .badRequest("the Sec-WebSocket-Key isn't sixteen bytes in Base64")
        }
        self.key = head.webSocketKey.range
        self.subprotocols = try SubprotocolOffer(of: head, in: bytes)
    }

    /// Appends the answer that turns the connection into a WebSocket (RFC 6455 §4.2.2).
    ///
    /// - Parameter deflate: the offer that is accepted, `nil` for none.
    ///
    /// Fails only where OpenSSL offers no SHA-1, and then has appended nothing.
    package static func writeAccept(
        key: borrowing Span<UInt8>, subprotocol: StaticString?, deflate: DeflateOffer? = nil,
        into buffer: inout ByteBuffer
    ) throws(HTTPError) {
        let digest = try acceptDigest(of: key)
        buffer.append(
            """
            HTTP/1.1 101 Switching Protocols\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Accept: 
            """)
        Base64.encode(digest.span, into: &buffer)
        if let subprotocol {
            buffer.append("\r\nSec-WebSocket-Protocol: ")
            buffer.append(subprotocol)
        }
        if let deflate {
            buffer.append("\r\nSec-WebSocket-Extensions: ")
            deflate.writeAnswer(into: &buffer)
        }
        buffer.append("\r\n\r\n")
    }

    /// The digest over the key and the standard's GUID.
    private static func acceptDigest(
        of key: borrowing Span<UInt8>
    ) throws(HTTPError) -> InlineArray<20, UInt8> {
        precondition(key.count == keyCount, "a key that was not checked")
        var message = InlineArray<60, UInt8>(repeating: 0)
        for index in 0..<keyCount { message[index] = key[index] }
        let identifier: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        for offset in 0..<identifier.utf8CodeUnitCount {
            message[keyCount + offset] = unsafe identifier.utf8Start[offset]  // Under its count.
        }
        do throws(SHA1.Failure) {
            return try SHA1.digest(message.span)
        } catch {
            throw .unavailable("the server can't complete handshakes", retryAfterSeconds: 60)
        }
    }

    /// Whether `bytes[range]` is sixteen bytes in canonical Base64 (RFC 4648 §3.5, §4): 22
    /// characters of the alphabet, the last of which carries two bits, and two of padding.
    private static func isKey(_ range: Range<Int>, in bytes: borrowing Span<UInt8>) -> Bool {
        guard range.count == keyCount else { return false }
        for index in range.lowerBound..<range.lowerBound + 22 {
            switch bytes[index] {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                continue
            default: return false
            }
        }
        switch bytes[range.lowerBound + 21] {
        case UInt8(ascii: "A"), UInt8(ascii: "Q"), UInt8(ascii: "g"), UInt8(ascii: "w"):
            return ASCII.isEqual(bytes, range.lowerBound + 22..<range.upperBound, to: "==")
        default: return false
        }
    }
}
