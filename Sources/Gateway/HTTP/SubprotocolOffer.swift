/// What a client offers in `Sec-WebSocket-Protocol`: browsers can set no other header, so a token
/// may come beside the protocol's name (docs/protocol.md).
package struct SubprotocolOffer: Sendable {
    /// Whether our protocol is among them; then, and only then, the answer selects it.
    package private(set) var includesDevhive = false
    /// The token of `bearer.<jwt>`; may be empty. Never echoed.
    package private(set) var bearer: Range<Int>?

    /// The one subprotocol that the gateway speaks.
    package static let devhive: StaticString = "devhive.v1"

    /// The name that the answer selects, `nil` for none.
    package var selected: StaticString? { includesDevhive ? Self.devhive : nil }

    /// Reads every `Sec-WebSocket-Protocol` line of `head` (RFC 6455 §11.3.4: there may be
    /// several). Names are compared with case.
    package init(of head: RequestHead, in bytes: borrowing Span<UInt8>) throws(HTTPError) {
        switch head.webSocketProtocol.count {
        case 0: return
        case 1: try read(head.webSocketProtocol.range, in: bytes)
        default:
            var lines = FieldLines(of: head)
            while let line = lines.next(in: bytes) {
                if ASCII.isEqualIgnoringCase(bytes, line.name, to: "sec-websocket-protocol") {
                    try read(line.value, in: bytes)
                }
            }
        }
    }

    private mutating func read(
        _ value: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) {
        let prefix: StaticString = "bearer."
        var elements = ListElements(of: value)
        while let element = elements.next(in: bytes) {
            if ASCII.isEqual(bytes, element, to: Self.devhive) {
                includesDevhive = true
            } else if ASCII.hasPrefix(bytes, element, prefix) {
                guard bearer == nil else {
                    throw .badRequest("two tokens in Sec-WebSocket-Protocol")
                }
                bearer = element.lowerBound + prefix.utf8CodeUnitCount..<element.upperBound
            }
        }
    }
}
