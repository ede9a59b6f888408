internal import Reactor

// Version 1, §2.1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`, then CRLF.
extension ProxyHeader {
    /// Bytes of the longest line, its CRLF included.
    static let textCountMax = 107

    static func text(_ bytes: borrowing Span<UInt8>) -> ProxyHeader {
        let prefix: StaticString = "PROXY "
        for index in 0..<min(prefix.utf8CodeUnitCount, bytes.count) {
            // Under its count.
            let expected = unsafe prefix.utf8Start[index]
            guard bytes[index] == expected else { return .malformed(.noHeader) }
        }
        let searched = 0..<min(bytes.count, textCountMax)
        guard let lineFeed = ByteSearch.firstIndex(of: ASCII.lineFeed, in: searched, of: bytes)
        else {
            return bytes.count < textCountMax
                ? .incomplete : .malformed(.lineTooLong)
        }
        guard lineFeed > prefix.utf8CodeUnitCount, bytes[lineFeed - 1] == ASCII.carriageReturn
        else { return .malformed(.bareLineFeed) }
        var words = Words(prefix.utf8CodeUnitCount..<lineFeed - 1)
        guard let family = words.next(in: bytes) else { return .malformed(.unknownProtocol) }
        if ASCII.isEqual(bytes, family, to: "UNKNOWN") {
            // Whatever follows is to be ignored.
            return .complete(byteCount: lineFeed + 1, source: nil)
        }
        let isIPv4 = ASCII.isEqual(bytes, family, to: "TCP4")
        guard isIPv4 || ASCII.isEqual(bytes, family, to: "TCP6") else {
            return .malformed(.unknownProtocol)
        }
        guard let source = addresses(&words, in: bytes, isIPv4: isIPv4) else {
            return .malformed(.badAddresses)
        }
        return .complete(byteCount: lineFeed + 1, source: source)
    }

    /// Both addresses, then both ports, and nothing behind them; the source is returned.
    private static func addresses(
        _ words: inout Words, in bytes: borrowing Span<UInt8>, isIPv4: Bool
    ) -> SocketAddress? {
        guard let source = words.next(in: bytes), let destination = words.next(in: bytes),
            let sourcePort = words.next(in: bytes), let destinationPort = words.next(in: bytes),
            words.isAtEnd,
            let port = Authority.port(sourcePort, in: bytes),
            Authority.port(destinationPort, in: bytes) != nil,
            let address = AddressText.address(source, in: bytes, port: port),
            AddressText.address(destination, in: bytes) != nil,
            hasColon(source, in: bytes) != isIPv4, hasColon(destination, in: bytes) != isIPv4
        else { return nil }
        return address
    }

    private static func hasColon(_ range: Range<Int>, in bytes: borrowing Span<UInt8>) -> Bool {
        ByteSearch.firstIndex(of: UInt8(ascii: ":"), in: range, of: bytes) != nil
    }

    /// Words with exactly one space between them.
    private struct Words {
        private var position: Int
        private let end: Int
        private(set) var isAtEnd = false

        init(_ range: Range<Int>) {
            position = range.lowerBound
            end = range.upperBound
        }

        mutating func next(in bytes: borrowing Span<UInt8>) -> Range<Int>? {
            guard !isAtEnd else { return nil }
            let space = ByteSearch.firstIndex(of: ASCII.space, in: position..<end, of: bytes)
            let word = position..<(space ?? end)
            if let space { position = space + 1 } else { isAtEnd = true }
            return word.isEmpty ? nil : word
        }
    }
}
