internal import CEpollShim

/// What a descriptor's owner wants to be told of: the registered event mask of epoll_ctl(2).
@frozen public struct Interest: OptionSet, BitwiseCopyable, Sendable {
    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// EPOLLIN
    public static let read = Interest(rawValue: 0x1)
    /// EPOLLOUT
    public static let write = Interest(rawValue: 0x4)
}

/// What epoll reported of a descriptor.
@frozen public struct Readiness: BitwiseCopyable, Sendable {
    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Bytes, the peer's end of stream, or an error are there to be read: EPOLLIN, EPOLLERR,
    /// EPOLLHUP. The last two come unasked, and recv(2) is where they show what they are.
    @inlinable public var isReadable: Bool { rawValue & 0x19 != 0 }

    /// EPOLLOUT
    @inlinable public var isWritable: Bool { rawValue & 0x4 != 0 }

    /// EPOLLERR or EPOLLHUP: both directions are over.
    @inlinable public var isBroken: Bool { rawValue & 0x18 != 0 }
}
