import Reactor
import Testing

@Suite struct OutboundSocketBehaviour {
    private static func listen(_ host: String) throws -> ListeningSocket {
        try ListeningSocket(try #require(SocketAddress(host: host, port: 0)))
    }

    /// Waits until connecting has ended, and tells how.
    private static func end(of descriptor: Int32) throws -> Errno? {
        let poller = try Poller()
        try poller.add(
            descriptor, handle: Handle(kind: 0, index: 0, generation: 0), interest: .write)
        let count = try poller.wait(nanoseconds: 5_000_000_000)
        try #require(count == 1)
        return OutboundSocket.failure(of: descriptor)
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func `it connects from the address it is given, and what it sends arrives`(host: String) throws
    {
        guard let listener = try? Self.listen(host) else {
            try #require(host != "127.0.0.1", "this host has no IPv4")
            return
        }
        let bound = listener.address
        let target = try #require(bound)
        let source = try #require(SocketAddress(host: host, port: 0))
        let client = OwnedDescriptor(
            adopting: try OutboundSocket.connect(to: target, from: source))
        let failure = try Self.end(of: client.raw)
        #expect(failure == nil)
        let result = ClientSocket.send([1, 2, 3].span, to: client.raw)
        #expect(result == .sent(3))
        guard case .accepted(let raw, let peer?) = try Self.accept(listener) else {
            Issue.record("nobody was accepted")
            return
        }
        let server = OwnedDescriptor(adopting: raw)
        #expect(peer.isIPv4 == (host == "127.0.0.1"))
        #expect(peer.description.hasPrefix(host == "::1" ? "[::1]:" : "127.0.0.1:"))
        var area = ReceiveArea(receiveCapacity: 16, leftoverCapacity: 0)
        area.begin()
        let received = area.receive(from: server.raw)
        #expect(received == .bytes(3))
    }

    @Test func `a port where nobody listens is a failure, and sending to it too`() throws {
        let listener = try Self.listen("127.0.0.1")
        let bound = listener.address
        let target = try #require(bound)
        _ = consume listener
        let client = OwnedDescriptor(adopting: try OutboundSocket.connect(to: target))
        let failure = try Self.end(of: client.raw)
        #expect(failure == Errno(code: 111))  // ECONNREFUSED
        let result = ClientSocket.send([1].span, to: client.raw)
        #expect(result == .failed)
    }

    @Test func `a socket whose peer takes nothing more says so`() throws {
        let listener = try Self.listen("127.0.0.1")
        let bound = listener.address
        let target = try #require(bound)
        let client = OwnedDescriptor(adopting: try OutboundSocket.connect(to: target))
        _ = try Self.end(of: client.raw)
        let bytes = [UInt8](repeating: 0, count: 1 << 20)
        var results: [SendResult] = []
        while results.last != .wouldBlock, results.count < 1_000 {
            results.append(ClientSocket.send(bytes.span, to: client.raw))
        }
        #expect(results.last == .wouldBlock)
    }

    @Test func `a reset is heard as a failure by the other side`() throws {
        let listener = try Self.listen("127.0.0.1")
        let bound = listener.address
        let target = try #require(bound)
        let client = try OutboundSocket.connect(to: target)
        _ = try Self.end(of: client)
        _ = ClientSocket.send([1].span, to: client)
        guard case .accepted(let raw, _) = try Self.accept(listener) else {
            Issue.record("nobody was accepted")
            return
        }
        let server = OwnedDescriptor(adopting: raw)
        var area = ReceiveArea(receiveCapacity: 16, leftoverCapacity: 0)
        area.begin()
        var received = area.receive(from: server.raw)
        #expect(received == .bytes(1))
        OutboundSocket.reset(client)
        area.begin()
        received = area.receive(from: server.raw)
        #expect(received == .failed(Errno(code: 104)))  // ECONNRESET
    }

    /// The next connection, of which a byte is here already or comes soon.
    private static func accept(_ listener: borrowing ListeningSocket) throws -> AcceptResult {
        let poller = try Poller()
        try poller.add(
            listener.descriptor, handle: Handle(kind: 0, index: 0, generation: 0), interest: .read)
        let count = try poller.wait(nanoseconds: 5_000_000_000)
        try #require(count == 1)
        return listener.accept()
    }
}
