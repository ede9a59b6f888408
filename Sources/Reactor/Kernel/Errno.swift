internal import CEpollShim

/// A failed system call's `errno` value, as errno(3) numbers them.
///
/// Four bytes and trivially copyable, so that throwing one costs no allocation. "Would block" is
/// never thrown: the calls of this module return it as a value.
public struct Errno: Error, Equatable, BitwiseCopyable, Sendable {
    /// The C library's number.
    public let code: Int32

    public init(code: Int32) {
        self.code = code
    }

    /// The calling thread's `errno`. Read it directly after the call that failed.
    static var current: Errno {
        Errno(code: ces_errno())
    }

    /// EAGAIN (EWOULDBLOCK is the same number on Linux).
    static let wouldBlock = Errno(code: EAGAIN)
    /// EINTR.
    static let interrupted = Errno(code: EINTR)
    /// EEXIST.
    public static let alreadyExists = Errno(code: EEXIST)
    /// EMFILE: this process is out of descriptors.
    public static let processDescriptorsExhausted = Errno(code: EMFILE)
    /// ENFILE: the system is out of descriptors.
    public static let systemDescriptorsExhausted = Errno(code: ENFILE)
}

extension Errno: CustomStringConvertible {
    /// The C library's sentence for the code, such as "Address already in use".
    public var description: String {
        // strerror_r's GNU form may return a constant string and leave the buffer alone;
        // strerrordesc_np has neither a buffer nor a locale.
        guard let text = unsafe strerrordesc_np(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }
}
