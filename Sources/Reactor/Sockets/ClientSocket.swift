internal import CEpollShim

/// What the loop does to a connected socket besides receiving and sending. Static functions over
/// the descriptor, which the client's record holds: an owning type would make the record
/// noncopyable for nothing, since exactly one phase of the turn closes.
public enum ClientSocket {
    /// close(2). The descriptor leaves epoll's interest list by itself.
    public static func close(_ descriptor: Int32) {
        _ = CEpollShim.close(descriptor)
    }

    /// Says that nothing more will be sent (FIN), and still receives.
    public static func finishSending(_ descriptor: Int32) {
        // It fails only on a connection that is gone, which the next receive tells as well.
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }
}
