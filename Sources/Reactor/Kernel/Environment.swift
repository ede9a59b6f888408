internal import CEpollShim

/// The process's environment variables (environ(7)).
public enum Environment {
    /// Every variable by name, its value as bytes: nothing promises that a value is text.
    ///
    /// Reads memory that setenv(3) changes; call it at start, from the one thread there is.
    public static func snapshot() -> [String: [UInt8]] {
        var variables: [String: [UInt8]] = [:]
        guard var entry = unsafe ces_environ() else { return variables }
        while let text = unsafe entry.pointee {
            let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
            if let equals = unsafe bytes.firstIndex(of: UInt8(ascii: "=")) {
                let name = unsafe String(decoding: bytes[..<equals], as: UTF8.self)
                unsafe variables[name] = [UInt8](bytes[(equals + 1)...])
            }
            unsafe entry += 1
        }
        return variables
    }
}
