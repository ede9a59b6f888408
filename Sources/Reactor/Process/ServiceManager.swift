internal import CEpollShim

/// Tells the service manager what has become of us (sd_notify(3)): one datagram to the socket that
/// `NOTIFY_SOCKET` names. Without that variable nobody asked, and nothing happens.
public enum ServiceManager {
    public static let variableName = "NOTIFY_SOCKET"

    public enum Notice: Sendable {
        /// The service works; with `Type=notify` systemd waits for this.
        case ready
        /// The service is on its way out.
        case stopping

        fileprivate var text: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            }
        }
    }

    /// Sends the notice. It never waits; a manager that isn't there to hear it changes nothing.
    ///
    /// - Parameter path: a path, or a name of the abstract namespace that begins with "@".
    public static func notify(
        _ notice: Notice, path: [UInt8]? = Environment.snapshot()[variableName]
    ) {
        guard let path, let address = LocalAddress(path: path) else { return }
        let type = ces_SOCK_DGRAM | ces_SOCK_CLOEXEC | ces_SOCK_NONBLOCK
        let raw = socket(AF_UNIX, type, 0)
        guard raw >= 0 else { return }
        let descriptor = OwnedDescriptor(adopting: raw)
        guard unsafe address.withSockaddr({ unsafe ces_connect(descriptor.raw, $0, $1) }) == 0
        else { return }
        let bytes = Array(notice.text.utf8)
        // Not retried: the datagram fits, or the manager doesn't read.
        _ = unsafe bytes.withUnsafeBytes { bytes in
            unsafe send(descriptor.raw, bytes.baseAddress, bytes.count, ces_MSG_NOSIGNAL)
        }
    }
}
