import Glibc
import Reactor
import Testing

@Suite struct StandardErrorBehaviour {
    private static func writing(
        _ body: (_ reader: Int32, _ writer: Int32) throws -> Void
    ) throws {
        var ends: [Int32] = [-1, -1]
        let status = unsafe pipe(&ends)
        try #require(status == 0)
        let reader = OwnedDescriptor(adopting: ends[0])
        let writer = OwnedDescriptor(adopting: ends[1])
        try body(reader.raw, writer.raw)
    }

    @Test func `a line of exactly 4,096 bytes is written whole into an empty page`() throws {
        try Self.writing { reader, writer in
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: StandardError.lineBytesMax)
            let outcome = StandardError(descriptor: writer).write(line.span)
            #expect(outcome == .written)
            var content = [UInt8](repeating: 0, count: 5_000)
            let count = unsafe read(reader, &content, content.count)
            #expect(count == line.count)
        }
    }

    @Test func `a full pipe refuses at once, and takes lines again once it was read`() throws {
        try Self.writing { reader, writer in
            let sink = StandardError(descriptor: writer)
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: StandardError.lineBytesMax)
            var written = 0
            // A pipe holds 64 KiB unless it was resized (pipe(7)).
            while written < 10_000, sink.write(line.span) == .written { written += 1 }
            #expect(written > 0 && written < 10_000)
            let refused = sink.write(line.span)
            #expect(refused == .wouldBlock)
            var content = [UInt8](repeating: 0, count: written * line.count)
            let count = unsafe read(reader, &content, content.count)
            #expect(count == content.count)
            let taken = sink.write(line.span)
            #expect(taken == .written)
        }
    }

    @Test func `a reader that is gone is a failure, without a signal`() throws {
        var ends: [Int32] = [-1, -1]
        let status = unsafe pipe(&ends)
        try #require(status == 0)
        let writer = OwnedDescriptor(adopting: ends[1])
        _ = close(ends[0])
        let line: [UInt8] = [10]
        let outcome = StandardError(descriptor: writer.raw).write(line.span)
        #expect(outcome == .failed)
    }
}
