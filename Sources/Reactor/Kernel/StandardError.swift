internal import CEpollShim

/// Descriptor 2, for a command's last words before it exits. What the program says while it serves goes
/// by `LineOutput`.
public enum StandardError {
    /// Writes all of `text`, waiting if need be. Errors are ignored: there is nowhere left to report
    /// them.
    public static func writeWaiting(_ text: String) {
        var rest = [UInt8](text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe CEpollShim.write(2, bytes.baseAddress, bytes.count)
            }
            if count < 0 && Errno.current == .interrupted { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// Descriptors 0, 1 and 2.
public enum StandardDescriptors {
    /// Opens those that the process was started without, to /dev/null. Else what is opened next would
    /// have their numbers: a client's socket would get the log. Call it before anything is opened.
    ///
    /// Returns whether all three are open now.
    public static func open() -> Bool {
        // open(2) takes the lowest number that is free.
        for descriptor in Int32(0)...2 where ces_fcntl_int(descriptor, F_GETFD, 0) < 0 {
            guard ces_open_null() == descriptor else { return false }
        }
        return true
    }
}
