import Glibc
import Reactor
import Testing

@Suite struct GatheredWriteBehaviour {
    /// Sends the ranges of `bytes` in one call.
    private static func send(
        _ ranges: [Range<Int>], of bytes: [UInt8], to descriptor: Int32
    ) -> (result: SendResult, offered: Int) {
        var write = GatheredWrite()
        var result = SendResult.failed
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            for range in ranges {
                unsafe write.append(start + range.lowerBound, count: range.count)
            }
            result = write.send(to: descriptor)
        }
        return (result, write.byteCount)
    }

    @Test func `the pieces arrive in their order as one run`() throws {
        let pair = try SocketPair()
        let bytes = SocketPair.pattern(100)
        let sent = Self.send([50..<100, 0..<1, 1..<50], of: bytes, to: pair.tested)
        #expect(sent == (.sent(100), 100))
        let read = pair.peerReads()
        #expect(read == Array(bytes[50...] + bytes[..<50]))
    }

    @Test func `as many pieces as there may be are sent in one call`() throws {
        let pair = try SocketPair()
        let bytes = SocketPair.pattern(GatheredWrite.pieceCountMax * 3)
        let ranges = (0..<GatheredWrite.pieceCountMax).map { $0 * 3..<$0 * 3 + 3 }
        let sent = Self.send(ranges, of: bytes, to: pair.tested)
        #expect(sent.result == .sent(bytes.count))
        let read = pair.peerReads()
        #expect(read == bytes)
    }

    @Test func `a full socket takes a part that may end within a piece, then nothing`() throws {
        let pair = try SocketPair(sendBytes: 4_096)
        let bytes = SocketPair.pattern(120_000)
        let ranges = stride(from: 0, to: bytes.count, by: 3_000).map { $0..<$0 + 3_000 }
        let first = Self.send(ranges, of: bytes, to: pair.tested)
        guard case .sent(let part) = first.result else {
            Issue.record("\(first.result)")
            return
        }
        #expect(part > 0 && part < first.offered)
        let second = Self.send(ranges, of: bytes, to: pair.tested)
        #expect(second.result == .wouldBlock)
        let read = pair.peerReads()
        #expect(read == Array(bytes[..<part]))
        let third = Self.send([part..<part + 10], of: bytes, to: pair.tested)
        #expect(third.result == .sent(10))
    }

    @Test func `a connection that is gone is a failure without a signal`() throws {
        var pair = try SocketPair()
        pair.closePeer()
        let descriptor = pair.tested
        var result = SendResult.wouldBlock
        let raised = try raisesSIGPIPE {
            result = Self.send([0..<10], of: SocketPair.pattern(10), to: descriptor).result
        }
        #expect(!raised && result == .failed)
    }

    @Test func `emptied, it starts again with nothing`() throws {
        var write = GatheredWrite()
        let byte: [UInt8] = [1]
        unsafe byte.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            for _ in 0..<GatheredWrite.pieceCountMax { unsafe write.append(start, count: 1) }
        }
        let isFull = write.isFull
        write.removeAll()
        let counts = [write.count, write.byteCount]
        let isFullAfter = write.isFull
        #expect(isFull && !isFullAfter && counts == [0, 0])
    }
}
