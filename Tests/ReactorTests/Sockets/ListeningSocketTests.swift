internal import CEpollShim
internal import Glibc
import Reactor
import Testing

@Suite struct ListeningSocketBehaviour {
    private static func listen(_ host: String, port: UInt16 = 0) throws -> ListeningSocket {
        let address = try #require(SocketAddress(host: host, port: port))
        return try ListeningSocket(address)
    }

    /// A client that connects, over IPv4, and sends the byte without which nobody is accepted.
    private static func connect(to address: SocketAddress) throws -> OwnedDescriptor {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(raw >= 0)
        let client = OwnedDescriptor(adopting: raw)
        // A sockaddr_in as bytes (ip(7)): the family, then port and 127.0.0.1 in network order.
        let target: [UInt8] =
            [UInt8(AF_INET), 0, UInt8(address.port >> 8), UInt8(truncatingIfNeeded: address.port)]
            + [127, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
        let status = unsafe target.withUnsafeBytes { bytes in
            unsafe Glibc.connect(
                raw, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t(bytes.count))
        }
        try #require(status == 0)
        try #require(unsafe write(raw, target, 1) == 1)
        return client
    }

    @Test func `port 0 becomes a port of the kernel's choice`() throws {
        let socket = try Self.listen("127.0.0.1")
        let bound = socket.address
        let address = try #require(bound)
        #expect(address.port != 0)
        #expect(address.description == "127.0.0.1:\(address.port)")
    }

    @Test func `an address in use is an error that says so`() throws {
        let socket = try Self.listen("127.0.0.1")
        let bound = socket.address
        let port = try #require(bound).port
        let error = #expect(throws: Errno.self) {
            _ = try Self.listen("127.0.0.1", port: port)
        }
        #expect(error == Errno(code: EADDRINUSE))
    }

    @Test func `an address that isn't this host's is an error`() throws {
        // TEST-NET-1, RFC 5737.
        let error = #expect(throws: Errno.self) { _ = try Self.listen("192.0.2.1") }
        #expect(error == Errno(code: EADDRNOTAVAIL))
    }

    @Test func `who connects is accepted with a socket that doesn't block and isn't inherited`()
        throws
    {
        let socket = try Self.listen("127.0.0.1")
        let before = socket.accept()
        #expect(before == .wouldBlock)
        let bound = socket.address
        let client = try Self.connect(to: #require(bound))
        guard case .accepted(let descriptor, let peer) = socket.accept() else {
            Issue.record("nobody was accepted")
            return
        }
        defer { close(descriptor) }
        #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
        var noDelay: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let status = unsafe getsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, &length)
        #expect(status == 0 && noDelay != 0)
        #expect(peer.map(NetworkAddress.init)?.description == "127.0.0.1")
        let after = socket.accept()
        #expect(after == .wouldBlock)
        _ = client
    }

    @Test func `finishing to send tells the peer, and what it says still arrives`() throws {
        let pair = try SocketPair()
        ClientSocket.finishSending(pair.tested)
        var byte: UInt8 = 0
        let ended = unsafe recv(pair.peer, &byte, 1, 0)
        #expect(ended == 0)
        try pair.peerSends([9])
        let received = unsafe recv(pair.tested, &byte, 1, 0)
        #expect(received == 1 && byte == 9)
    }

    private static func loopback() throws -> SocketAddress {
        try #require(SocketAddress(host: "127.0.0.1", port: 0))
    }

    /// The code of the error with which listening fails; `nil` when it doesn't.
    private static func failure(
        at address: SocketAddress, _ sharing: ListeningSocket.Sharing
    ) -> Int32? {
        do throws(Errno) {
            _ = try ListeningSocket(address, sharing)
            return nil
        } catch {
            return error.code
        }
    }

    @Test func `a reserved address is free for those who share it, and for nobody else`() throws {
        let reservation = try AddressReservation(Self.loopback())
        #expect(reservation.address.port != 0)
        let first = try ListeningSocket(reservation.address, .withOthers)
        let second = try ListeningSocket(reservation.address, .withOthers)
        #expect(first.descriptor != second.descriptor)
        #expect(Self.failure(at: reservation.address, .alone) == EADDRINUSE)
        // A second parent finds the first one's workers.
        do throws(Errno) {
            _ = try AddressReservation(reservation.address)
            Issue.record("it was reserved twice")
        } catch {
            #expect(error.code == EADDRINUSE)
        }
    }

    @Test func `an address that one has alone isn't shared`() throws {
        let alone = try ListeningSocket(Self.loopback())
        let bound = alone.address
        let address = try #require(bound)
        #expect(Self.failure(at: address, .alone) == EADDRINUSE)
        #expect(Self.failure(at: address, .withOthers) == EADDRINUSE)
    }

    /// An option and its value on a socket that was accepted.
    private struct Option {
        let level: Int32
        let name: Int32
        let expected: Int32

        static let all = [
            Option(level: Int32(IPPROTO_TCP), name: TCP_NODELAY, expected: 1),
            Option(level: Int32(IPPROTO_TCP), name: TCP_NOTSENT_LOWAT, expected: 16_384),
            Option(level: Int32(IPPROTO_TCP), name: TCP_USER_TIMEOUT, expected: 90_000),
            Option(level: SOL_SOCKET, name: SO_KEEPALIVE, expected: 1),
            Option(level: Int32(IPPROTO_TCP), name: TCP_KEEPIDLE, expected: 60),
            Option(level: Int32(IPPROTO_TCP), name: TCP_KEEPINTVL, expected: 10),
            Option(level: Int32(IPPROTO_TCP), name: TCP_KEEPCNT, expected: 3),
        ]
    }

    @Test func `accepted sockets have the listener's options`() throws {
        let listener = try ListeningSocket(Self.loopback())
        let bound = listener.address
        let port = try #require(bound).port
        let client = OwnedDescriptor(
            adopting: socket(AF_INET, ces_SOCK_STREAM, 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe ces_connect(client.raw, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0)
        // Nobody is accepted without a first byte.
        try #require(ClientSocket.send([0].span, to: client.raw) == .sent(1))
        // On the loopback interface it is there as soon as connect has returned.
        let result = listener.accept()
        guard case .accepted(let raw, _) = result else {
            Issue.record("\(result)")
            return
        }
        let accepted = OwnedDescriptor(adopting: raw)
        for option in Option.all {
            var value: Int32 = -1
            var size = socklen_t(MemoryLayout<Int32>.size)
            let status = unsafe getsockopt(
                accepted.raw, option.level, option.name, &value, &size)
            #expect(status == 0 && value == option.expected, "\(option)")
        }
    }
}
