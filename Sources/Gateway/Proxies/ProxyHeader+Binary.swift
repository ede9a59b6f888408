internal import Reactor

// Version 2, §2.2: a signature of twelve bytes, version and command, family and transport, the
// length of the rest; then the addresses, and extensions (TLVs) that are passed over.
extension ProxyHeader {
    /// Bytes before the addresses.
    static let binaryPrefixCount = 16

    static func binary(_ bytes: borrowing Span<UInt8>) -> ProxyHeader {
        for index in 0..<min(12, bytes.count) where bytes[index] != signature(at: index) {
            return .malformed(.noHeader)
        }
        guard bytes.count > 12 else { return .incomplete }
        guard bytes[12] >> 4 == 2 else { return .malformed(.unknownVersion) }
        let command = bytes[12] & 0xF
        guard command <= 1 else { return .malformed(.unknownCommand) }
        guard bytes.count > 13 else { return .incomplete }
        // LOCAL: the balancer's own connection. What stands there is to be skipped unseen.
        let addressCount = command == 0 ? 0 : addressCount(ofFamily: bytes[13])
        guard let addressCount else { return .malformed(.unknownProtocol) }
        guard bytes.count >= binaryPrefixCount else { return .incomplete }
        let restCount = Int(bytes[14]) << 8 | Int(bytes[15])
        guard restCount >= addressCount else { return .malformed(.tooShort) }
        let byteCount = binaryPrefixCount + restCount
        guard byteCount <= byteCountMax else { return .malformed(.tooLong) }
        guard bytes.count >= byteCount else { return .incomplete }
        let source = command == 0 ? nil : source(ofFamily: bytes[13], in: bytes)
        return .complete(byteCount: byteCount, source: source)
    }

    /// 0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A, which no other protocol begins with.
    private static func signature(at index: Int) -> UInt8 {
        switch index {
        case 0, 2, 5: 0x0D
        case 1, 3, 6, 11: 0x0A
        case 4: 0x00
        case 7: 0x51
        case 8: 0x55
        case 9: 0x49
        default: 0x54
        }
    }

    /// Bytes of both addresses and ports; `nil` for what is reserved, and for datagrams, which a
    /// stream can't have come by.
    private static func addressCount(ofFamily family: UInt8) -> Int? {
        switch family {
        case 0x00: 0  // UNSPEC: the balancer doesn't know.
        case 0x11: 12  // TCP over IPv4
        case 0x21: 36  // TCP over IPv6
        case 0x31: 216  // A Unix stream, whose paths say nothing here.
        default: nil
        }
    }

    /// `bytes` hold the addresses whole.
    private static func source(
        ofFamily family: UInt8, in bytes: borrowing Span<UInt8>
    ) -> SocketAddress? {
        switch family {
        case 0x11:
            return SocketAddress(
                ipv4: UInt32(truncatingIfNeeded: number(in: bytes, at: 16, count: 4)),
                port: UInt16(truncatingIfNeeded: number(in: bytes, at: 24, count: 2)))
        case 0x21:
            return SocketAddress(
                high: number(in: bytes, at: 16, count: 8),
                low: number(in: bytes, at: 24, count: 8),
                port: UInt16(truncatingIfNeeded: number(in: bytes, at: 48, count: 2)))
        default:
            return nil
        }
    }

    /// Most significant byte first.
    private static func number(
        in bytes: borrowing Span<UInt8>, at start: Int, count: Int
    ) -> UInt64 {
        var value: UInt64 = 0
        for index in start..<start + count { value = value << 8 | UInt64(bytes[index]) }
        return value
    }
}
