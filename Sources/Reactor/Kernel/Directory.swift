internal import CEpollShim

/// The names in a directory (opendir(3)). For commands and the start, not for the loop: it blocks.
public enum Directory {
    /// The names of the entries that end in `suffix`, in the order of their bytes.
    public static func names(at path: String, endingIn suffix: String, max: Int)
        throws(FileFailure) -> [String]
    {
        guard let stream = unsafe path.withCString({ unsafe opendir($0) }) else {
            throw FileFailure(path: path, reason: .system(.current))
        }
        defer { _ = unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            // d_name is declared with 256 bytes and ends in a NUL byte (readdir(3)).
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
                unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            guard name.hasSuffix(suffix), !name.hasPrefix(".") else { continue }
            guard names.count < max else {
                throw FileFailure(path: path, reason: .tooManyEntries(max: max))
            }
            names.append(name)
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}

/// Why a file or directory can't be read.
public struct FileFailure: Error, Equatable, Sendable {
    public let path: String
    public let reason: Reason

    public enum Reason: Equatable, Sendable {
        case system(Errno)
        case tooLarge(bytesMax: Int)
        case tooManyEntries(max: Int)
        /// It isn't UTF-8, or holds a NUL byte.
        case notText
        /// A pipe, a device, a directory.
        case notRegular
    }

    public init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }
}

extension FileFailure: CustomStringConvertible {
    public var description: String { "\(path): \(reason)" }
}

extension FileFailure.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .tooLarge(let max): "larger than \(max) bytes"
        case .tooManyEntries(let max): "more than \(max) entries"
        case .notText: "not UTF-8 text"
        case .notRegular: "no regular file"
        }
    }
}
