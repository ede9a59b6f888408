internal import Gateway
internal import Reactor

/// Sends every message back to whoever sent it: the program that a WebSocket test suite is run
/// against. What it adds to the gateway's own code for HTTP, frames, UTF-8, messages and closing is
/// the echo, and limits that are those of the suite.
@main
struct EchoServer {
    static func main() {
        guard CommandLine.arguments.count == 2, let port = UInt16(CommandLine.arguments[1]),
            let address = SocketAddress(host: "127.0.0.1", port: port)
        else {
            print("usage: EchoServer PORT")
            return
        }
        do throws(Errno) {
            var loop = EchoLoop(poller: try Poller(), listener: try ListeningSocket(address))
            try loop.run()
        } catch {
            print("the echo server ends: \(error)")
        }
    }
}

/// The loop: one epoll, and a few connections at a time.
struct EchoLoop: ~Copyable {
    private let poller: Poller
    private let listener: ListeningSocket
    private var area = ReceiveArea(
        receiveCapacity: 65_536, leftoverCapacity: HTTPLimits.headBytesMax)
    /// By descriptor, which is no identity over time: here nothing refers to one after its end.
    private var connections: [Int32: EchoConnection] = [:]
    private var echoes = Echoes()

    private static let listenerKind: UInt8 = 1
    private static let connectionKind: UInt8 = 2

    init(poller: consuming Poller, listener: consuming ListeningSocket) {
        self.poller = poller
        self.listener = listener
    }

    mutating func run() throws(Errno) {
        try poller.add(
            listener.descriptor,
            handle: Handle(kind: Self.listenerKind, index: 0, generation: 0), interest: .read)
        while true {
            let count = try poller.wait(nanoseconds: nil)
            for position in 0..<count {
                let handle = poller.handle(at: position)
                if handle.kind == Self.listenerKind {
                    try accept()
                } else {
                    try take(poller.readiness(at: position), of: Int32(handle.index))
                }
            }
        }
    }

    private func handle(of descriptor: Int32) -> Handle {
        Handle(kind: Self.connectionKind, index: UInt32(descriptor), generation: 0)
    }

    private mutating func accept() throws(Errno) {
        while case .accepted(let descriptor, _) = listener.accept() {
            connections[descriptor] = EchoConnection()
            try poller.add(descriptor, handle: handle(of: descriptor), interest: .read)
        }
    }

    private mutating func take(_ readiness: Readiness, of descriptor: Int32) throws(Errno) {
        // Of two events for one connection, the first may have ended it.
        guard let connection = connections[descriptor] else { return }
        if readiness.isReadable, !receive(from: descriptor, for: connection) {
            end(descriptor)
            return
        }
        switch connection.output.send(to: descriptor) {
        case .failed:
            end(descriptor)
        case .waits:
            // Nothing is read meanwhile: a peer that doesn't listen isn't listened to.
            try poller.modify(descriptor, handle: handle(of: descriptor), interest: .write)
        case .empty:
            switch connection.phase {
            case .flushing:
                end(descriptor)
                return
            case .draining:
                ClientSocket.finishSending(descriptor)
            case .request, .open:
                break
            }
            try poller.modify(descriptor, handle: handle(of: descriptor), interest: .read)
        }
    }

    /// Returns `false` when the connection is over.
    private mutating func receive(
        from descriptor: Int32, for connection: EchoConnection
    ) -> Bool {
        area.begin(with: connection.leftover.span)
        switch area.receive(from: descriptor) {
        case .bytes:
            Self.hand(&area, to: connection, echoing: &echoes)
            return true
        case .wouldBlock:
            return true
        case .endOfStream, .failed:
            return false
        }
    }

    /// Static, since the bytes count as a borrow of whatever holds the area.
    private static func hand(
        _ area: inout ReceiveArea, to connection: EchoConnection, echoing echoes: inout Echoes
    ) {
        var bytes = area.bytes
        connection.receive(&bytes, echoing: &echoes)
    }

    private mutating func end(_ descriptor: Int32) {
        if let connection = connections.removeValue(forKey: descriptor) {
            echoes.forget(connection)
        }
        ClientSocket.close(descriptor)
    }
}
