internal import CEpollShim

/// The address of a Unix socket (unix(7)): a path, or a name in the abstract namespace, which leaves
/// no file behind.
public struct LocalAddress: BitwiseCopyable, Sendable {
    private let storage: sockaddr_un
    private let length: socklen_t

    private static let pathOffset = MemoryLayout<sa_family_t>.size

    /// `nil` for an empty path and for one that doesn't fit, which takes 108 bytes with its NUL.
    /// A leading "@" stands for the NUL byte of an abstract name, as systemd writes it.
    public init?(path: [UInt8]) {
        var storage = sockaddr_un()
        let capacity = MemoryLayout.size(ofValue: storage.sun_path)
        guard !path.isEmpty, path.count < capacity else { return nil }
        storage.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &storage.sun_path) { unsafe $0.copyBytes(from: path) }
        let isAbstract = path.first == UInt8(ascii: "@")
        if isAbstract { storage.sun_path.0 = 0 }
        self.storage = storage
        // An abstract name is all of its bytes; a path goes with its NUL.
        length = socklen_t(Self.pathOffset + path.count + (isAbstract ? 0 : 1))
    }

    private init(storage: sockaddr_un, length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// Where a socket is bound.
    init(of descriptor: Int32) throws(Errno) {
        var storage = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe ces_getsockname(descriptor, generic, &length)
            }
        }
        guard status == 0 else { throw .current }
        self.init(storage: storage, length: length)
    }

    /// An address of no name: binding to it makes the kernel choose one.
    static var unnamed: LocalAddress {
        var storage = sockaddr_un()
        storage.sun_family = sa_family_t(AF_UNIX)
        return LocalAddress(storage: storage, length: socklen_t(pathOffset))
    }

    func withSockaddr<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        unsafe withUnsafePointer(to: storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe body(generic, length)
            }
        }
    }
}

/// A listening Unix socket under a name that the kernel chose in the abstract namespace: nothing of
/// it is in any folder, and it is gone with the last process that holds it. Every process of the
/// network namespace may connect; `ListeningSocket` closes those of other users unheard.
public struct LocalListeningSocket: ~Copyable {
    public let owned: OwnedDescriptor
    public let address: LocalAddress

    /// Connections that may wait for accept(2): those of one parent.
    private static let backlog: Int32 = 64

    public init() throws(Errno) {
        let type = ces_SOCK_STREAM | ces_SOCK_NONBLOCK | ces_SOCK_CLOEXEC
        let raw = socket(AF_UNIX, type, 0)
        guard raw >= 0 else { throw .current }
        let descriptor = OwnedDescriptor(adopting: raw)
        let bound = unsafe LocalAddress.unnamed.withSockaddr {
            unsafe ces_bind(descriptor.raw, $0, $1)
        }
        guard bound == 0, listen(descriptor.raw, Self.backlog) == 0 else { throw .current }
        address = try LocalAddress(of: descriptor.raw)
        owned = descriptor
    }
}

/// Connecting to a Unix socket.
public enum LocalSocket {
    /// A connected, non-blocking socket; the caller owns the descriptor. Such a connection stands at
    /// once or not at all: EAGAIN when too many wait to be accepted, ECONNREFUSED when nobody listens.
    public static func connect(to address: LocalAddress) throws(Errno) -> Int32 {
        let type = ces_SOCK_STREAM | ces_SOCK_NONBLOCK | ces_SOCK_CLOEXEC
        let raw = socket(AF_UNIX, type, 0)
        guard raw >= 0 else { throw .current }
        let descriptor = OwnedDescriptor(adopting: raw)
        let status = unsafe address.withSockaddr { unsafe ces_connect(descriptor.raw, $0, $1) }
        guard status == 0 else { throw .current }
        return descriptor.relinquish()
    }
}
