internal import CEpollShim

/// One notification, as libpq hands it out; its memory is given back when this value ends.
///
/// Safe outside: the pointer never leaves, and the spans can't outlive the value.
@safe
public struct PostgresNotification: ~Copyable {
    private let notification: UnsafeMutablePointer<PGnotify>
    private let channelCount: Int
    private let payloadCount: Int

    /// Takes over what PQnotifies returned.
    @unsafe init(adopting notification: UnsafeMutablePointer<PGnotify>) {
        unsafe self.notification = notification
        // libpq ends both with a NUL byte and doesn't tell their lengths; PostgreSQL's text holds
        // no NUL, so strlen(3) finds the true end. Once here, not at each use.
        channelCount = unsafe Self.length(notification.pointee.relname)
        payloadCount = unsafe Self.length(notification.pointee.extra)
    }

    deinit {
        unsafe PQfreemem(notification)  // Channel and payload lie in the same allocation.
    }

    /// The channel's name, in the connection's encoding (UTF-8).
    public var channel: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Self.span(notification.pointee.relname, count: channelCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The payload; empty when the notifier gave none. At most 7,999 bytes (NOTIFY).
    public var payload: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Self.span(notification.pointee.extra, count: payloadCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The process ID of the backend that notified.
    public var backend: Int32 {
        unsafe notification.pointee.be_pid
    }

    private static func length(_ text: UnsafeMutablePointer<CChar>?) -> Int {
        guard let text = unsafe text else { return 0 }
        return unsafe Int(clamping: strlen(text))
    }

    @_lifetime(immortal)
    private static func span(_ text: UnsafeMutablePointer<CChar>?, count: Int) -> Span<UInt8> {
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: count)
        let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
        return unsafe _overrideLifetime(span, copying: ())
    }
}
