import Gateway
import Glibc
import Reactor
import Testing

/// What a test lets the kernel do for one connection, and what it saw of it.
struct ScriptedSocket {
    let index: ClientIndex
    /// Bytes that the socket takes before it blocks.
    var capacity = Int.max
    /// Everything that the socket has taken.
    var taken: [UInt8] = []
    /// What the peer has sent while nothing was read.
    var unread: [UInt8] = []
    /// What the core wants to be told of.
    var interest: Interest = []
    /// Whether our direction was ended.
    var isFinished = false
    /// How often the descriptor was given back to be closed.
    var closeCount = 0

    /// Takes what there is room for.
    mutating func send(_ bytes: ArraySlice<UInt8>) -> SendResult {
        guard capacity > 0 else { return .wouldBlock }
        let part = bytes.prefix(capacity)
        taken += part
        if capacity != .max { capacity -= part.count }
        return .sent(part.count)
    }
}

/// Makes the bytes of a gathered write visible: they go through a socket pair.
struct GatherSink: ~Copyable {
    private let ends: [Int32]

    init() throws {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let status = unsafe socketpair(AF_UNIX, type, 0, &ends)
        try #require(status == 0)
        self.ends = ends
    }

    deinit {
        for end in ends { _ = close(end) }
    }

    /// The first bytes of the write, as many as the pair holds.
    func bytes(of write: inout GatheredWrite) -> [UInt8] {
        guard case .sent(let count) = write.send(to: ends[0]) else { return [] }
        var content = [UInt8](repeating: 0, count: count)
        var read = 0
        while read < count {
            let part = unsafe content.withUnsafeMutableBytes { bytes in
                unsafe recv(ends[1], bytes.baseAddress?.advanced(by: read), count - read, 0)
            }
            guard part > 0 else { break }
            read += part
        }
        return content
    }
}
