internal import CEpollShim
import Reactor
import Testing

/// io_uring and send(2) side by side: whatever happens to the ring, the streams are the same.
@Suite struct SendRingBehaviour {
    /// Connected socket pairs, with buffers of the least size that the kernel allows for `sender`.
    private struct Pairs: ~Copyable {
        var senders: [Int32] = []
        var receivers: [Int32] = []

        init(_ count: Int, smallBuffers: Bool = false) {
            for _ in 0..<count {
                var pair = InlineArray<2, Int32>(repeating: -1)
                let status = unsafe withUnsafeMutableBytes(of: &pair) { bytes in
                    unsafe socketpair(
                        AF_UNIX, ces_SOCK_STREAM, 0,
                        bytes.assumingMemoryBound(to: Int32.self).baseAddress)
                }
                precondition(status == 0)
                if smallBuffers {
                    var size: Int32 = 1
                    let length = socklen_t(MemoryLayout<Int32>.size)
                    unsafe setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, length)
                }
                senders.append(pair[0])
                receivers.append(pair[1])
            }
        }

        deinit {
            for descriptor in senders + receivers { close(descriptor) }
        }

        /// What has arrived at a receiver, without waiting.
        func received(at index: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = unsafe recv(
                    receivers[index], &chunk, chunk.count, ces_MSG_DONTWAIT)
                guard count > 0 else { return bytes }
                bytes += chunk[0..<count]
            }
        }
    }

    private static func ringBatch() throws -> SendBatch {
        var batch = SendBatch()
        try batch.useRing()
        return batch
    }

    /// Appends `bytes` for every sender, submits, and returns the results.
    private static func send(
        _ bytes: [UInt8], to pairs: borrowing Pairs, by batch: inout SendBatch
    ) -> [SendResult] {
        let start = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        defer { unsafe start.deallocate() }
        for (index, byte) in bytes.enumerated() { unsafe (start + index).initialize(to: byte) }
        for (index, descriptor) in pairs.senders.enumerated() {
            unsafe batch.append(
                descriptor: descriptor, bytes: start, count: bytes.count, tag: UInt32(index))
        }
        batch.submit()
        let results = (0..<batch.count).map { batch.result(at: $0) }
        batch.removeAll()
        return results
    }

    @Test func `every socket of a batch gets the whole segment`() throws {
        var batch = try Self.ringBatch()
        let pairs = Pairs(SendBatch.capacity)
        let results = Self.send([1, 2, 3], to: pairs, by: &batch)
        #expect(results == Array(repeating: .sent(3), count: SendBatch.capacity))
        for index in pairs.senders.indices {
            let received = pairs.received(at: index)
            #expect(received == [1, 2, 3])
        }
        let method = batch.method
        #expect(method == .ring)
    }

    @Test(arguments: [0, 1, 3, 9, 10])
    func `when the kernel takes only some entries, the others are sent one by one, none twice`(
        taken: Int
    ) throws {
        var batch = try Self.ringBatch()
        let pairs = Pairs(10)
        batch.failNextBatch(after: taken)
        let first = Self.send([7, 8], to: pairs, by: &batch)
        let refusals = batch.refusals
        #expect(refusals == (taken < 10 ? 1 : 0))
        // Nothing of the first batch may be left in the ring and go out with the second.
        let second = Self.send([9], to: pairs, by: &batch)
        #expect(first == Array(repeating: .sent(2), count: 10))
        #expect(second == Array(repeating: .sent(1), count: 10))
        for index in pairs.senders.indices {
            let received = pairs.received(at: index)
            #expect(received == [7, 8, 9])
        }
    }

    @Test func `a ring that keeps failing is given up, and sending goes on`() throws {
        var batch = try Self.ringBatch()
        let pairs = Pairs(4)
        var sent: [UInt8] = []
        for round in UInt8(0)..<40 {
            batch.failNextBatch(after: 0)
            let results = Self.send([round], to: pairs, by: &batch)
            #expect(results == Array(repeating: .sent(1), count: 4))
            sent.append(round)
        }
        let method = batch.method
        #expect(method == .send)
        let received = pairs.received(at: 3)
        #expect(received == sent)
    }

    @Test func `a broken connection fails alone, without a signal`() throws {
        var batch = try Self.ringBatch()
        let pairs = Pairs(6)
        shutdown(pairs.receivers[2], Int32(SHUT_RDWR))
        let results = Self.send([5], to: pairs, by: &batch)
        for (index, result) in results.enumerated() {
            #expect(result == (index == 2 ? .failed : .sent(1)))
        }
    }

    /// The ring and send(2) are offered the same bytes against full buffers and random reads, and
    /// what is not taken is offered again: both streams must be exactly what was offered.
    @Test func `short sends and full sockets give the same streams by both methods`() throws {
        let seed = Random.word()
        print("seed \(seed)")
        for method in [SendMethod.send, .ring] {
            var jitter = Jitter(seed: seed)
            var batch = method == .ring ? try Self.ringBatch() : SendBatch()
            let pairs = Pairs(8, smallBuffers: true)
            var expected = [[UInt8]](repeating: [], count: 8)
            var received = [[UInt8]](repeating: [], count: 8)
            for round in 0..<300 {
                let size = Int(jitter.next() % 4_096) + 1
                let bytes = (0..<size).map { UInt8(truncatingIfNeeded: round &* 31 &+ $0) }
                let results = Self.send(bytes, to: pairs, by: &batch)
                for (index, result) in results.enumerated() {
                    if case .sent(let count) = result { expected[index] += bytes[0..<count] }
                    #expect(result != .failed)
                    if jitter.next() % 3 == 0 { received[index] += pairs.received(at: index) }
                }
            }
            for index in 0..<8 { received[index] += pairs.received(at: index) }
            #expect(received == expected)
        }
    }
}
