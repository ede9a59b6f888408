internal import CEpollShim

/// Commands as a Redis server takes them, by hiredis.
public enum RedisCommand {
    /// Appends a command. Returns `false` when there is no memory for it.
    public static func append(_ words: [[UInt8]], to buffer: inout ByteBuffer) -> Bool {
        precondition(!words.isEmpty)
        let bytes = words.flatMap { $0 }
        let counts = words.map(\.count)
        return unsafe bytes.withUnsafeBytes { bytes in
            // An empty word needs an address too.
            let start =
                unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
                ?? UnsafePointer(bitPattern: 1)
            var starts: [UnsafePointer<CChar>?] = unsafe []
            var position = 0
            for count in counts {
                unsafe starts.append(start.map { unsafe $0 + position })
                position += count
            }
            var command: UnsafeMutablePointer<CChar>?
            let length = unsafe Int(
                redisFormatCommandArgv(&command, Int32(words.count), &starts, counts))
            guard length >= 0, let command = unsafe command else { return false }
            defer { unsafe redisFreeCommand(command) }
            let text = unsafe UnsafeRawBufferPointer(start: command, count: length)
            unsafe buffer.append(Span(_unsafeBytes: text))
            return true
        }
    }
}
