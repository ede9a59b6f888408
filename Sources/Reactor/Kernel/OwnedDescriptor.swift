internal import CEpollShim

/// A file descriptor that is closed when its owner is destroyed.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The descriptor's number. It says nothing about identity: the kernel hands a number out
    /// again as soon as it is closed.
    public let raw: Int32

    /// Takes over `raw`, which nobody else may close from here on.
    public init(adopting raw: Int32) {
        precondition(raw >= 0)
        self.raw = raw
    }

    deinit {
        // close(2): on Linux the descriptor is gone even when the call reports an error, and
        // nothing could be done about one here.
        _ = close(raw)
    }

    /// Gives the number away without closing it.
    public consuming func relinquish() -> Int32 {
        let raw = self.raw
        discard self
        return raw
    }
}
