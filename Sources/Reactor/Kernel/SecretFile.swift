internal import CEpollShim

/// A small file that holds one secret, such as those that container platforms mount.
public enum SecretFile {
    /// The largest file that is read: no key or connection string comes near it, and a path to
    /// the wrong file mustn't fill the memory.
    public static let bytesMax = 64 * 1_024

    public enum Failure: Error, Equatable, Sendable {
        case system(Errno)
        /// The file holds more than `bytesMax` bytes.
        case tooLarge
    }

    /// The file's content without the one line end that editors leave behind it. Blocks as
    /// open(2) and read(2) do (a pipe waits for its writer), so only for the start.
    public static func read(path: String) throws(Failure) -> [UInt8] {
        let raw = unsafe path.withCString { unsafe ces_open_read($0) }
        guard raw >= 0 else { throw .system(.current) }
        let file = OwnedDescriptor(adopting: raw)
        var content: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = unsafe CEpollShim.read(file.raw, &block, block.count)
            if count == 0 { break }
            guard count > 0 else {
                let error = Errno.current
                if error == .interrupted { continue }
                throw .system(error)
            }
            guard content.count + count <= bytesMax else { throw .tooLarge }
            content.append(contentsOf: block[..<count])
        }
        if content.last == UInt8(ascii: "\n") {
            content.removeLast()
            if content.last == UInt8(ascii: "\r") { content.removeLast() }
        }
        return content
    }

    /// Whether users besides the owner may read the file; `false` as well when that can't be told.
    public static func isExposed(path: String) -> Bool {
        let permissions = unsafe path.withCString { unsafe ces_stat_permissions($0) }
        return permissions > 0 && permissions & 0o044 != 0
    }
}

extension SecretFile.Failure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .system(let error): error.description
        case .tooLarge: "larger than \(SecretFile.bytesMax) bytes"
        }
    }
}
