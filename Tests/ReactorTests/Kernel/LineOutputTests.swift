import Glibc
import Reactor
import Testing

@Suite struct LineOutputBehaviour {
    private static let line = [UInt8](
        repeating: UInt8(ascii: "x"), count: LineOutput.lineBytesMax)

    private static func ends(_ kind: (inout [Int32]) -> Int32) throws -> (
        reader: Int32, writer: Int32
    ) {
        var ends: [Int32] = [-1, -1]
        try #require(kind(&ends) == 0)
        return (ends[0], ends[1])
    }

    private static func pipeEnds() throws -> (reader: Int32, writer: Int32) {
        try ends { ends in unsafe pipe(&ends) }
    }

    private static func socketEnds() throws -> (reader: Int32, writer: Int32) {
        try ends { ends in
            unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        }
    }

    private static func flags(of descriptor: Int32) -> Int32 { fcntl(descriptor, F_GETFL) }

    /// Lines until one is refused.
    private static func fill(_ output: LineOutput) -> Int {
        var written = 0
        while written < 10_000, output.write(line.span) == .written { written += 1 }
        return written
    }

    private static func readAll(_ reader: Int32) -> [UInt8] {
        precondition(fcntl(reader, F_SETFL, flags(of: reader) | O_NONBLOCK) == 0)
        var all: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe read(reader, &block, block.count)
            guard count > 0 else { return all }
            all += block[..<count]
        }
    }

    @Test(arguments: [false, true])
    func `without a reader lines are refused at once, and taken whole once it reads`(
        isSocket: Bool
    ) throws {
        let (reader, writer) = try isSocket ? Self.socketEnds() : Self.pipeEnds()
        defer { for end in [reader, writer] { _ = close(end) } }
        let output = LineOutput(descriptor: writer)
        let written = Self.fill(output)
        #expect(written > 0 && written < 10_000)
        let refused = output.write(Self.line.span)
        #expect(refused == .wouldBlock)
        // A short line too: a pipe takes one up to its last byte.
        while output.write([UInt8](repeating: 10, count: 100).span) == .written {}
        let count = Self.readAll(reader).count
        #expect(count >= written * Self.line.count)
        let taken = output.write(Self.line.span)
        #expect(taken == .written)
        #expect(Self.readAll(reader).count == Self.line.count)
    }

    @Test(arguments: [false, true])
    func `the description that others share stays as it was`(isSocket: Bool) throws {
        let (reader, writer) = try isSocket ? Self.socketEnds() : Self.pipeEnds()
        defer { for end in [reader, writer] { _ = close(end) } }
        let before = Self.flags(of: writer)
        let output = LineOutput(descriptor: writer)
        _ = Self.fill(output)
        #expect(Self.flags(of: writer) == before && before & O_NONBLOCK == 0)
    }

    @Test func `a line that is taken in part is finished before the next`() throws {
        let (reader, writer) = try Self.socketEnds()
        defer { for end in [reader, writer] { _ = close(end) } }
        var size: Int32 = 4_096
        try #require(
            unsafe setsockopt(
                writer, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size)) == 0)
        let output = LineOutput(descriptor: writer)
        var expected: [UInt8] = []
        var received: [UInt8] = []
        for number in 0..<50 {
            let line = [UInt8](repeating: UInt8(number), count: 4_095) + [10]
            if output.write(line.span) == .written { expected += line }
            if number % 3 == 0 { received += Self.readAll(reader) }
        }
        // The rest of the last one goes with the next.
        for _ in 0..<3 where received.count < expected.count {
            if output.write([7, 10].span) == .written { expected += [7, 10] }
            received += Self.readAll(reader)
        }
        #expect(received == expected)
    }

    @Test func `a file gets what others write to it too, behind one another`() throws {
        let path = "/tmp/devhive-line-output-\(getpid())"
        let file = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        try #require(file >= 0)
        defer {
            _ = close(file)
            _ = unsafe unlink(path)
        }
        let output = LineOutput(descriptor: file)
        for text in ["one\n", "two\n"] {
            let line = Array(text.utf8)
            #expect(output.write(line.span) == .written)
            _ = unsafe write(file, line, line.count)
        }
        #expect(lseek(file, 0, SEEK_SET) == 0)
        let text = String(decoding: Self.readAll(file), as: UTF8.self)
        #expect(text == "one\none\ntwo\ntwo\n")
    }

    @Test(arguments: [false, true])
    func `a reader that is gone is a failure, without a signal`(isSocket: Bool) throws {
        let (reader, writer) = try isSocket ? Self.socketEnds() : Self.pipeEnds()
        defer { _ = close(writer) }
        let output = LineOutput(descriptor: writer)
        _ = close(reader)
        let line: [UInt8] = [10]
        #expect(output.write(line.span) == .failed)
    }

    @Test func `a descriptor that is open on nothing is a failure`() {
        let output = LineOutput(descriptor: 1_000_000)
        let line: [UInt8] = [10]
        #expect(output.write(line.span) == .failed)
    }
}
