internal import CEpollShim

/// An IPv4 or IPv6 address with a port, as bytes: what a listener binds and a client comes from.
public struct SocketAddress: Hashable, BitwiseCopyable, Sendable {
    /// The IPv6 form; an IPv4 address is kept as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
    public let high: UInt64
    public let low: UInt64
    public let port: UInt16

    private static var mappedPrefix: UInt64 { 0xFFFF_0000_0000 }

    public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// Reads a numeric address, `127.0.0.1` or `::1`; `nil` for anything else, names included.
    public init?(host: String, port: UInt16) {
        var four = in_addr()
        if unsafe inet_pton(AF_INET, host, &four) == 1 {
            self.init(four, port: port)
            return
        }
        var six = in6_addr()
        guard unsafe inet_pton(AF_INET6, host, &six) == 1 else { return nil }
        self.init(six, port: port)
    }

    /// The address whose IPv6 form these sixteen bytes are, most significant first.
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// An IPv4 address, its first byte the most significant one.
    public init(ipv4 address: UInt32, port: UInt16) {
        self.init(high: 0, low: Self.mappedPrefix | UInt64(address), port: port)
    }

    private init(_ address: in_addr, port: UInt16) {
        self.init(ipv4: UInt32(bigEndian: address.s_addr), port: port)
    }

    private init(_ address: in6_addr, port: UInt16) {
        let words = unsafe withUnsafeBytes(of: address) { bytes in
            unsafe (
                bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
                bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
        self.init(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1), port: port)
    }

    /// `nil` for an address of another family.
    init?(_ storage: sockaddr_storage) {
        var storage = storage
        switch Int32(storage.ss_family) {
        case AF_INET:
            let four = unsafe withUnsafeBytes(of: &storage) { bytes in
                unsafe bytes.loadUnaligned(as: sockaddr_in.self)
            }
            self.init(four.sin_addr, port: UInt16(bigEndian: four.sin_port))
        case AF_INET6:
            let six = unsafe withUnsafeBytes(of: &storage) { bytes in
                unsafe bytes.loadUnaligned(as: sockaddr_in6.self)
            }
            self.init(six.sin6_addr, port: UInt16(bigEndian: six.sin6_port))
        default:
            return nil
        }
    }

    /// The C form, and its length, handed to `body`.
    func withSockaddr<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        if isIPv4 {
            var four = sockaddr_in()
            four.sin_family = sa_family_t(AF_INET)
            four.sin_port = port.bigEndian
            four.sin_addr.s_addr = UInt32(truncatingIfNeeded: low).bigEndian
            return unsafe withUnsafePointer(to: four) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                    unsafe body(generic, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var six = sockaddr_in6()
        six.sin6_family = sa_family_t(AF_INET6)
        six.sin6_port = port.bigEndian
        unsafe withUnsafeMutableBytes(of: &six.sin6_addr) { bytes in
            unsafe bytes.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
            unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return unsafe withUnsafePointer(to: six) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe body(generic, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:8080` or `[::1]:8080`.
    public var description: String {
        let length = Int(INET6_ADDRSTRLEN)
        let host = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: length) { text in
            guard let start = text.baseAddress else { return "?" }
            if isIPv4 {
                var four = in_addr(s_addr: UInt32(truncatingIfNeeded: low).bigEndian)
                unsafe inet_ntop(AF_INET, &four, start, socklen_t(length))
            } else {
                var words = InlineArray<2, UInt64>(repeating: high.bigEndian)
                words[1] = low.bigEndian
                unsafe inet_ntop(AF_INET6, &words, start, socklen_t(length))
            }
            return unsafe String(cString: start)
        }
        return isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)"
    }
}
