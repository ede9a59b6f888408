internal import CEpollShim
import Testing

/// A fresh directory of small files that is removed with its owner.
///
/// Written with the C library and without Foundation, like all tests here: Foundation brings a view
/// of the system's headers that contradicts the shim's in the same compilation.
final class TestDirectory {
    let path: String
    private var names: [String] = []

    struct Failure: Error {
        let path: String
    }

    init(_ files: [String: String] = [:]) throws {
        path = "/tmp/devhive-test-" + uniqueToken()
        guard unsafe mkdir(path, 0o700) == 0 else { throw Failure(path: path) }
        for (name, text) in files { try write(Array(text.utf8), to: name) }
    }

    deinit {
        for name in names { unsafe remove("\(path)/\(name)") }
        unsafe rmdir(path)
    }

    /// Writes a file, or overwrites it.
    func write(_ bytes: [UInt8], to name: String) throws {
        guard let stream = unsafe fopen("\(path)/\(name)", "we") else { throw Failure(path: name) }
        if !names.contains(name) { names.append(name) }
        let count = unsafe fwrite(bytes, 1, bytes.count, stream)
        guard unsafe fclose(stream) == 0, count == bytes.count else { throw Failure(path: name) }
    }

    func delete(_ name: String) {
        unsafe remove("\(path)/\(name)")
        names.removeAll { $0 == name }
    }

    /// Makes `deinit` remove a file that somebody else made here.
    func adopt(_ name: String) {
        names.append(name)
    }
}

/// For names that no other test and no other run of the tests uses.
func uniqueToken() -> String {
    String(UInt64.random(in: .min ... .max), radix: 16)
}
