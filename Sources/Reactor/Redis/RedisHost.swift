/// A host, by its name or address, and a port of it.
public struct RedisHost: Equatable, Sendable {
    public let name: String
    public let port: UInt16

    public init(name: String, port: UInt16) {
        self.name = name
        self.port = port
    }

    /// Reads `host[:port]` or `[address][:port]`, as it stands in a URL.
    init(_ text: Substring, standardPort: UInt16) throws(RedisTarget.Fault) {
        var host = text
        var digits: Substring?
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else {
                throw RedisTarget.Fault(reason: "the [ of an IPv6 address has no ]")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let behind = text[text.index(after: end)...]
            guard behind.isEmpty || behind.first == ":" else {
                throw RedisTarget.Fault(
                    reason: "behind the ] of an IPv6 address a port may stand, nothing else")
            }
            digits = behind.isEmpty ? nil : behind.dropFirst()
        } else if let (name, port) = URLText.split(text, at: ":") {
            host = name
            digits = port
        }
        guard let name = URLText.decoded(host), !name.isEmpty else {
            throw RedisTarget.Fault(reason: "it has no host")
        }
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F && !Self.marks.contains($0) }) else {
            throw RedisTarget.Fault(
                reason: "the host has a character in it that no host's name has")
        }
        guard let port = digits.map({ Self.port($0.utf8) }) ?? standardPort else {
            throw RedisTarget.Fault(reason: "the port must be a number from 1 to 65535")
        }
        self.init(name: name, port: port)
    }

    /// What has a meaning of its own in a URL.
    private static let marks = Array("[]/@,?#".utf8)

    /// Digits alone, and no 0; `nil` for all else.
    static func port(_ text: some Collection<UInt8>) -> UInt16? {
        guard text.count <= 5 else { return nil }
        var value: UInt32 = 0
        for byte in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + UInt32(byte - UInt8(ascii: "0"))
        }
        guard value > 0 else { return nil }
        return UInt16(exactly: value)
    }

    /// The name that has to be looked up; `nil` for an address.
    public var nameToResolve: String? {
        SocketAddress(host: name, port: 0) == nil ? name : nil
    }

    /// Whether nobody but this host is on the way.
    public var isLocal: Bool {
        name == "localhost" || SocketAddress(host: name, port: 0)?.isLoopback == true
    }

    /// How many addresses there are to try.
    public func addressCount(resolved: [ResolvedHost]) -> Int {
        guard nameToResolve != nil else { return 1 }
        return resolved.first { $0.name == name }?.addresses.count ?? 0
    }

    /// Where to connect, with what a look-up found if it needs one.
    ///
    /// - Parameter attempt: turns the list, so that an address that answers nothing isn't always the
    ///   first.
    public func address(resolved: [ResolvedHost], attempt: Int) -> RedisAddress? {
        guard nameToResolve != nil else {
            return SocketAddress(host: name, port: port).map { .network($0) }
        }
        let addresses = resolved.first { $0.name == name }?.addresses ?? []
        guard !addresses.isEmpty else { return nil }
        let text = addresses[attempt % addresses.count]
        return SocketAddress(host: text, port: port).map { .network($0) }
    }
}

extension RedisHost: CustomStringConvertible {
    public var description: String { "\(name.contains(":") ? "[\(name)]" : name):\(port)" }
}

/// Pieces of a URL.
enum URLText {
    static func split<Text: StringProtocol>(
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

    /// Without percent-encoding; `nil` if it was broken, or isn't UTF-8.
    static func decoded(_ text: Substring) -> String? {
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

    static func isDigits(_ text: Substring) -> Bool {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
