import Glibc
import Reactor
import Testing

@Suite struct SendBatchBehaviour {
    @Test func `every socket of a batch gets the same bytes, and every result has its tag`() throws
    {
        var batch = SendBatch()
        let first = try SocketPair()
        let second = try SocketPair()
        let bytes = SocketPair.pattern(1_000)
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe batch.append(
                descriptor: first.tested, bytes: start, count: bytes.count, tag: 70)
            unsafe batch.append(
                descriptor: second.tested, bytes: start + 10, count: 5, tag: 71)
            batch.submit()
        }
        let results = [batch.result(at: 0), batch.result(at: 1)]
        let tags = [batch.tag(at: 0), batch.tag(at: 1)]
        #expect(results == [.sent(1_000), .sent(5)])
        #expect(tags == [70, 71])
        let read = [first.peerReads(), second.peerReads()]
        #expect(read == [bytes, Array(bytes[10..<15])])
        batch.removeAll()
        let isEmpty = batch.count == 0
        #expect(isEmpty)
    }

    @Test func `a full socket takes a part, then nothing, and the others all of it`() throws {
        var batch = SendBatch()
        let full = try SocketPair(sendBytes: 4_096)
        let free = try SocketPair()
        let bytes = SocketPair.pattern(100_000)
        var results: [SendResult] = []
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            for _ in 0..<2 {
                for descriptor in [full.tested, free.tested] {
                    unsafe batch.append(
                        descriptor: descriptor, bytes: start, count: bytes.count, tag: 0)
                }
                batch.submit()
                results += [batch.result(at: 0), batch.result(at: 1)]
                batch.removeAll()
                _ = free.peerReads()
            }
        }
        guard case .sent(let part) = results[0] else {
            Issue.record("\(results[0])")
            return
        }
        #expect(part > 0 && part < bytes.count)
        #expect(results[1...] == [.sent(bytes.count), .wouldBlock, .sent(bytes.count)])
        let read = full.peerReads()
        #expect(read == Array(bytes[..<part]))
    }

    @Test func `a connection that is gone is a failure without a signal, and only its own`() throws
    {
        var batch = SendBatch()
        var gone = try SocketPair()
        let other = try SocketPair()
        gone.closePeer()
        let descriptors = [gone.tested, other.tested]
        let bytes = SocketPair.pattern(64)
        let raised = try raisesSIGPIPE {
            unsafe bytes.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                for descriptor in descriptors {
                    unsafe batch.append(
                        descriptor: descriptor, bytes: start, count: bytes.count, tag: 0)
                }
                batch.submit()
            }
        }
        #expect(!raised)
        let results = [batch.result(at: 0), batch.result(at: 1)]
        #expect(results == [.failed, .sent(64)])
    }

    @Test func `a batch of full capacity is sent whole, and can be filled again`() throws {
        var batch = SendBatch()
        let pair = try SocketPair()
        let bytes = SocketPair.pattern(SendBatch.capacity)
        for _ in 0..<2 {
            unsafe bytes.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return }
                for index in 0..<SendBatch.capacity {
                    unsafe batch.append(
                        descriptor: pair.tested, bytes: start + index, count: 1,
                        tag: UInt32(index))
                }
                batch.submit()
            }
            let isFull = batch.isFull
            let lastTag = batch.tag(at: SendBatch.capacity - 1)
            #expect(isFull && lastTag == UInt32(SendBatch.capacity - 1))
            batch.removeAll()
            let read = pair.peerReads()
            #expect(read == bytes)
        }
    }
}
