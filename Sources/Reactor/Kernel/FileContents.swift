internal import CEpollShim

/// The content of a whole file. For commands and the start, not for the loop: it blocks.
public enum FileContents {
    /// The file as text, which has to be UTF-8 without a NUL byte.
    public static func text(at path: String, bytesMax: Int) throws(FileFailure) -> String {
        let bytes = try self.bytes(at: path, bytesMax: bytesMax)
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
            throw FileFailure(path: path, reason: .notText)
        }
        return text
    }

    /// Fails for what isn't a regular file: to open a pipe is to wait for who writes to it. At the start that may
    /// be meant; the loop asks here first.
    public static func checkRegular(_ path: String) throws(FileFailure) {
        switch unsafe ces_stat_kind(path) {
        case ces_S_IFREG: break
        case 0: throw FileFailure(path: path, reason: .system(.current))
        default: throw FileFailure(path: path, reason: .notRegular)
        }
    }

    /// The file's bytes, at most `bytesMax`.
    public static func bytes(at path: String, bytesMax: Int) throws(FileFailure) -> [UInt8] {
        // fopen rather than open(2), which is variadic. "e": close on exec.
        guard let stream = unsafe fopen(path, "re") else {
            throw FileFailure(path: path, reason: .system(.current))
        }
        defer { _ = unsafe fclose(stream) }
        var content: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe fread(&block, 1, block.count, stream)
            guard count > 0 else { break }
            guard content.count + count <= bytesMax else {
                throw FileFailure(path: path, reason: .tooLarge(bytesMax: bytesMax))
            }
            content.append(contentsOf: block[..<count])
        }
        guard unsafe ferror(stream) == 0 else {
            throw FileFailure(path: path, reason: .system(.current))
        }
        return content
    }
}
