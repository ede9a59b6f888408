internal import CEpollShim
internal import Glibc
import Reactor
import Testing

/// Two connected stream sockets that don't block, closed with the value.
struct SocketPair: ~Copyable {
    /// The end that is tested.
    let tested: Int32
    /// The end of the peer; -1 when it is closed.
    private(set) var peer: Int32

    /// - Parameter sendBytes: the size of both send buffers; the kernel doubles it, and has a least
    ///   one of its own.
    init(sendBytes: Int32? = nil) throws {
        let ends = try Self.open(sendBytes)
        tested = ends[0]
        peer = ends[1]
    }

    deinit {
        _ = close(tested)
        if peer >= 0 { _ = close(peer) }
    }

    private static func open(_ sendBytes: Int32?) throws -> [Int32] {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let status = unsafe socketpair(AF_UNIX, type, 0, &ends)
        try #require(status == 0)
        guard var size = sendBytes else { return ends }
        for end in ends {
            let length = socklen_t(MemoryLayout<Int32>.size)
            let set = unsafe setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, length)
            try #require(set == 0)
        }
        return ends
    }

    mutating func closePeer() {
        _ = close(peer)
        peer = -1
    }

    func peerSends(_ bytes: [UInt8]) throws {
        let count = unsafe send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        try #require(count == bytes.count)
    }

    /// What the peer can read now, at most `limit` bytes.
    func peerReads(atMost limit: Int = .max) -> [UInt8] {
        var content: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while content.count < limit {
            let count = unsafe recv(peer, &block, min(block.count, limit - content.count), 0)
            guard count > 0 else { break }
            content += block[..<count]
        }
        return content
    }

    /// Bytes that differ from their neighbours, so that a shift shows.
    static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }
}

/// Runs `body` and tells whether it raised SIGPIPE, which is held back from the process meanwhile.
func raisesSIGPIPE(_ body: () throws -> Void) throws -> Bool {
    var pipeOnly = sigset_t()
    var before = sigset_t()
    _ = unsafe sigemptyset(&pipeOnly)
    _ = unsafe sigaddset(&pipeOnly, SIGPIPE)
    let blocked = unsafe pthread_sigmask(SIG_BLOCK, &pipeOnly, &before)
    try #require(blocked == 0)
    defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
    // A blocked signal is pending for the thread even when it is ignored.
    var now = timespec(tv_sec: 0, tv_nsec: 0)
    return unsafe sigtimedwait(&pipeOnly, nil, &now) == SIGPIPE
}
