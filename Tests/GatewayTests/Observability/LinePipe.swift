import Gateway
import Glibc
import Reactor

/// A pipe in the place of standard error.
struct LinePipe: ~Copyable {
    private let reader: OwnedDescriptor
    private let writer: OwnedDescriptor

    init() {
        var ends: [Int32] = [-1, -1]
        let status = unsafe pipe(&ends)
        precondition(status == 0)
        reader = OwnedDescriptor(adopting: ends[0])
        writer = OwnedDescriptor(adopting: ends[1])
        // Reads must not wait for lines that never came.
        precondition(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
    }

    var output: LogOutput { LogOutput(LineOutput(descriptor: writer.raw)) }

    /// What was written since the last call.
    func read() -> String {
        var content: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe Glibc.read(reader.raw, &block, block.count)
            guard count > 0 else { break }
            content.append(contentsOf: block[..<count])
        }
        return String(decoding: content, as: UTF8.self)
    }

    func lines() -> [Substring] {
        read().split(separator: "\n")
    }
}
