import Glibc
import Reactor
import Testing

@Suite struct ReceiveAreaBehaviour {
    private static func content(of area: inout ReceiveArea) -> [UInt8] {
        let bytes = area.bytes
        return bytes.indices.map { bytes[$0] }
    }

    @Test func `new bytes stand behind what was left over`() throws {
        let pair = try SocketPair()
        var area = ReceiveArea(receiveCapacity: 16, leftoverCapacity: 4)
        let leftover: [UInt8] = [1, 2, 3, 4]
        area.begin(with: leftover.span)
        try pair.peerSends([5, 6])
        let result = area.receive(from: pair.tested)
        #expect(result == .bytes(2))
        #expect(Self.content(of: &area) == [1, 2, 3, 4, 5, 6])
        area.begin()
        let count = area.count
        #expect(count == 0)
    }

    @Test func `one receive takes as much as there is room for, whatever was left over`() throws {
        let pair = try SocketPair()
        var area = ReceiveArea(receiveCapacity: 16, leftoverCapacity: 4)
        try pair.peerSends(SocketPair.pattern(40))
        let leftover: [UInt8] = [9, 9, 9, 9]
        area.begin(with: leftover.span)
        let first = area.receive(from: pair.tested)
        let firstContent = Self.content(of: &area)
        area.begin()
        let second = area.receive(from: pair.tested)
        #expect([first, second] == [.bytes(16), .bytes(16)])
        #expect(firstContent == leftover + SocketPair.pattern(40)[..<16])
        #expect(Self.content(of: &area) == Array(SocketPair.pattern(40)[16..<32]))
    }

    @Test func `silence, the end and a failure are told apart`() throws {
        var pair = try SocketPair()
        var area = ReceiveArea(receiveCapacity: 16, leftoverCapacity: 4)
        area.begin()
        let silence = area.receive(from: pair.tested)
        #expect(silence == .wouldBlock)
        pair.closePeer()
        let ended = area.receive(from: pair.tested)
        #expect(ended == .endOfStream)
        // A descriptor that is no socket.
        var ends: [Int32] = [-1, -1]
        let status = unsafe pipe(&ends)
        try #require(status == 0)
        let reader = OwnedDescriptor(adopting: ends[0])
        let writer = OwnedDescriptor(adopting: ends[1])
        let failed = area.receive(from: reader.raw)
        #expect(failed == .failed(Errno(code: ENOTSOCK)))
        _ = writer
    }
}
