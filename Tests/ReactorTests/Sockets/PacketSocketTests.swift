internal import CEpollShim
internal import Glibc
import Reactor
import Testing

@Suite struct PacketSocketBehaviour {
    @Test func `packets stay apart and in order, and the end comes behind them`() throws {
        let pair = try PacketSocketPair()
        let kept = pair.kept.raw
        let given = pair.given.relinquish()
        for packet in [[1, 2, 3], [4], [UInt8](repeating: 5, count: 16_384)] as [[UInt8]] {
            #expect(ClientSocket.send(packet.span, to: given) == .sent(packet.count))
        }
        ClientSocket.close(given)
        var area = ReceiveArea(receiveCapacity: 65_536, leftoverCapacity: 0)
        for expected in [3, 1, 16_384] {
            area.begin()
            let received = area.receive(from: kept)
            #expect(received == .bytes(expected))
        }
        area.begin()
        let end = area.receive(from: kept)
        #expect(end == .endOfStream)
        #expect(ClientSocket.send([1].span, to: kept) == .failed)
    }

    @Test func `what a receiver doesn't read is taken up to a bound, and whole or not at all`()
        throws
    {
        let pair = try PacketSocketPair()
        let packet = [UInt8](repeating: 7, count: 16_384)
        var count = 0
        while ClientSocket.send(packet.span, to: pair.kept.raw) == .sent(packet.count) {
            count += 1
        }
        #expect(count >= 8)
        #expect(ClientSocket.send(packet.span, to: pair.kept.raw) == .wouldBlock)
        var area = ReceiveArea(receiveCapacity: 65_536, leftoverCapacity: 0)
        for _ in 0..<count {
            area.begin()
            let received = area.receive(from: pair.given.raw)
            #expect(received == .bytes(packet.count))
        }
        area.begin()
        let nothing = area.receive(from: pair.given.raw)
        #expect(nothing == .wouldBlock)
    }

    @Test func `a process that is started has its end as the second descriptor`() throws {
        let listener = try LocalListeningSocket()
        let pair = try PacketSocketPair()
        let kept = pair.kept.raw
        let given: OwnedDescriptor? = pair.given
        let process = try ChildProcess.spawn(
            "/bin/sh", arguments: ["sh", "-c", "printf here >&4; [ -S /proc/self/fd/3 ]"],
            environment: [:], inheriting: listener.owned, and: given)
        var question = pollfd(fd: process.descriptor, events: Int16(POLLIN), revents: 0)
        let ready = unsafe poll(&question, 1, 30_000)
        #expect(ready == 1)
        #expect(process.reap() == .exited(code: 0))
        var area = ReceiveArea(receiveCapacity: 64, leftoverCapacity: 0)
        area.begin()
        let received = area.receive(from: kept)
        #expect(received == .bytes(4))
        #expect(area.copy() == Array("here".utf8))
    }
}
