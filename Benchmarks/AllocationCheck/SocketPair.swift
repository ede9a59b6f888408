internal import Glibc

/// A client's connection: our end, and that of the peer.
struct SocketPair {
    let ours: Int32
    let peer: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let status = unsafe socketpair(AF_UNIX, type, 0, &ends)
        precondition(status == 0)
        ours = ends[0]
        peer = ends[1]
    }

    func peerSends(_ bytes: [UInt8]) {
        let count = unsafe send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        precondition(count == bytes.count)
    }

    /// Reads everything that has come. Returns how much.
    func peerReads(into block: inout [UInt8]) -> Int {
        var total = 0
        while true {
            let count = unsafe recv(peer, &block, block.count, 0)
            guard count > 0 else { return total }
            total += count
        }
    }
}
