internal import CEpollShim
internal import Reactor

/// Files that results go to.
enum OutputFile {
    static func append(_ text: String, to path: String) throws {
        guard let stream = unsafe fopen(path, "ae") else {
            throw Failure("\(path): \(Errno(code: ces_errno()))")
        }
        let count = unsafe text.withCString { unsafe fputs($0, stream) }
        let status = unsafe fclose(stream)
        guard count >= 0, status == 0 else { throw Failure("\(path) could not be written") }
    }
}
