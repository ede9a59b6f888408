internal import CEpollShim

/// Two connected sockets that keep packets apart and in order, and don't block (unix(7),
/// SOCK_SEQPACKET): one end stays, the other goes to a process that is started.
///
/// What is sent is taken whole or not at all, until the receiver has some 200 KiB to read. `ClientSocket`
/// sends to such a socket and `ReceiveArea` receives from it, a packet at a time; an empty packet
/// would look like the end.
@frozen public struct PacketSocketPair: ~Copyable {
    public let kept: OwnedDescriptor
    public let given: OwnedDescriptor

    public init() throws(Errno) {
        let ends = try socketPair(of: ces_SOCK_SEQPACKET)
        kept = OwnedDescriptor(adopting: ends[0])
        given = OwnedDescriptor(adopting: ends[1])
    }
}

/// Two connected sockets for a stream of bytes, which don't block: each goes to another process.
@frozen public struct StreamSocketPair: ~Copyable {
    public let first: OwnedDescriptor
    public let second: OwnedDescriptor

    public init() throws(Errno) {
        let ends = try socketPair(of: ces_SOCK_STREAM)
        first = OwnedDescriptor(adopting: ends[0])
        second = OwnedDescriptor(adopting: ends[1])
    }
}

private func socketPair(of type: Int32) throws(Errno) -> InlineArray<2, Int32> {
    var ends = InlineArray<2, Int32>(repeating: -1)
    let type = type | ces_SOCK_NONBLOCK | ces_SOCK_CLOEXEC
    var span = ends.mutableSpan
    let status = unsafe span.withUnsafeMutableBufferPointer { ends in
        unsafe socketpair(AF_UNIX, type, 0, ends.baseAddress)
    }
    guard status == 0 else { throw .current }
    return ends
}
