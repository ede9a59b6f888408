internal import Reactor

/// Where a listener binds: `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:0`.
package struct ListenAddress: Hashable, Sendable {
    /// An IPv4 or IPv6 address, without its brackets.
    package let host: String
    /// 0 lets the kernel choose.
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `address:port`, an IPv6 address in brackets. What isn't an address, such as a host's name
    /// or one with a zone, can't be bound.
    package init?(text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let portText = text[text.index(after: colon)...]
        guard portText.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(portText)
        else { return nil }
        var host = text[..<colon]
        let isInBrackets = host.hasPrefix("[") && host.hasSuffix("]")
        if isInBrackets { host = host.dropFirst().dropLast() }
        // C's functions would read up to a NUL byte.
        guard host.contains(":") == isInBrackets, !host.utf8.contains(0),
            SocketAddress(host: String(host), port: port) != nil
        else { return nil }
        self.init(host: String(host), port: port)
    }

    /// Whether only one of them can be bound: they are the same, or one stands for all addresses and
    /// the other's among them.
    package func overlaps(_ other: ListenAddress) -> Bool {
        guard port == other.port, port != 0,
            let mine = SocketAddress(host: host, port: port),
            let others = SocketAddress(host: other.host, port: port)
        else { return false }
        return mine == others || mine.takesAddress(of: others) || others.takesAddress(of: mine)
    }
}

extension SocketAddress {
    private static let allIPv4 = SocketAddress(ipv4: 0, port: 0)

    /// `0.0.0.0` takes all IPv4 addresses, and `::` those too (ipv6(7), IPV6_V6ONLY).
    fileprivate func takesAddress(of other: SocketAddress) -> Bool {
        if isIPv4 { return other.isIPv4 && low == Self.allIPv4.low }
        return high == 0 && low == 0
    }
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
