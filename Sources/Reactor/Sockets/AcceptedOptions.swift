internal import CEpollShim

/// What is set once on a listening socket because every accepted one inherits it, which spares a
/// handful of system calls for each connection.
public enum AcceptedOptions {
    /// Bytes that the kernel takes beyond those on their way (TCP_NOTSENT_LOWAT, tcp(7)); with more
    /// unsent it isn't writable.
    ///
    /// What waits is better kept here, where it is shared by all clients, counted, and collapsed when
    /// it gets too much. A client that never reads pins 3.9 MB in the kernel without this, and 41 to
    /// 82 KB with it. A fast client isn't held back: what is in flight doesn't count.
    public static let unsentBytesMax: Int32 = 16_384

    /// Seconds of silence after which the kernel asks whether the peer is still there
    /// (SO_KEEPALIVE, TCP_KEEPIDLE). Longer than the usual ping interval of 54 s, so that it costs
    /// nothing while pings do the same; for a server whose pings are hours apart.
    public static let keepAliveIdleSeconds: Int32 = 60
    /// Seconds from one such question to the next (TCP_KEEPINTVL).
    public static let keepAliveIntervalSeconds: Int32 = 10
    /// Questions without an answer after which the connection is over (TCP_KEEPCNT).
    public static let keepAliveCount: Int32 = 3

    /// Milliseconds for which sent bytes may stay unacknowledged, or the peer's window closed, before
    /// the connection is over (TCP_USER_TIMEOUT); else the kernel goes on for 13 to 30 minutes.
    ///
    /// It overrides the count of keep-alive questions, so it is what those add up to: less, and one
    /// lost packet would end a connection. It is more than the minute after which the server itself
    /// ends a connection that takes no byte, with a close code and a count.
    public static let unacknowledgedMilliseconds: Int32 =
        (keepAliveIdleSeconds + keepAliveIntervalSeconds * keepAliveCount) * 1_000

    /// Seconds for which the kernel keeps a connection to itself while its first byte hasn't come
    /// (TCP_DEFER_ACCEPT); the first retransmission of the handshake after that lets it through. In
    /// every protocol spoken here the client speaks first, so an accepted connection has its
    /// request with it, and is answered without a round of epoll.
    public static let firstByteSeconds: Int32 = 1

    static func set(on descriptor: borrowing OwnedDescriptor) throws(Errno) {
        let tcp = Int32(IPPROTO_TCP)
        // A notification is one small write that must leave at once.
        try descriptor.set(tcp, TCP_NODELAY, 1)
        try descriptor.set(tcp, TCP_NOTSENT_LOWAT, unsentBytesMax)
        try descriptor.set(tcp, TCP_DEFER_ACCEPT, firstByteSeconds)
        try descriptor.set(SOL_SOCKET, SO_KEEPALIVE, 1)
        try descriptor.set(tcp, TCP_KEEPIDLE, keepAliveIdleSeconds)
        try descriptor.set(tcp, TCP_KEEPINTVL, keepAliveIntervalSeconds)
        try descriptor.set(tcp, TCP_KEEPCNT, keepAliveCount)
        try descriptor.set(tcp, TCP_USER_TIMEOUT, unacknowledgedMilliseconds)
    }
}
