internal import CEpollShim

/// What the loop does to a connected socket besides receiving and sending. Static functions over
/// the descriptor, which the client's record holds: an owning type would make the record
/// noncopyable for nothing, since exactly one phase of the turn closes.
public enum ClientSocket {
    /// close(2). The descriptor leaves epoll's interest list by itself.
    public static func close(_ descriptor: Int32) {
        _ = CEpollShim.close(descriptor)
    }

    /// One send(2), which doesn't wait. For what is sent now and then; clients' frames go out in
    /// batches.
    public static func send(_ bytes: borrowing Span<UInt8>, to descriptor: Int32) -> SendResult {
        let flags = ces_MSG_NOSIGNAL | ces_MSG_DONTWAIT
        while true {
            let sent = unsafe bytes.withUnsafeBufferPointer { bytes in
                unsafe CEpollShim.send(descriptor, bytes.baseAddress, bytes.count, flags)
            }
            if sent >= 0 { return .sent(sent) }
            switch Errno.current {
            case .interrupted: continue
            case .wouldBlock: return .wouldBlock
            default: return .failed
            }
        }
    }

    /// Says that nothing more will be sent (FIN), and still receives.
    public static func finishSending(_ descriptor: Int32) {
        // It fails only on a connection that is gone, which the next receive tells as well.
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }
}
