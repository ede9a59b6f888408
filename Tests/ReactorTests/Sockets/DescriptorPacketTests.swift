import Reactor
import Testing

@Suite struct DescriptorPacketBehaviour {
    private func received(
        from socket: Int32
    ) -> (bytes: [UInt8], hasDescriptor: Bool)? {
        guard case .packet(let packet) = DescriptorPacket.receive(from: socket) else { return nil }
        var received = packet
        let descriptor = received.takeDescriptor()
        let hasDescriptor = descriptor != nil
        return (received.bytes, hasDescriptor)
    }

    @Test func `packets come one by one, with a descriptor or without`() throws {
        let pair = try PacketSocketPair()
        let stream = try StreamSocketPair()
        #expect(DescriptorPacket.send([1, 2], to: pair.kept.raw))
        #expect(DescriptorPacket.send([3], with: stream.first.raw, to: pair.kept.raw))
        let first = received(from: pair.given.raw)
        #expect(first?.bytes == [1, 2] && first?.hasDescriptor == false)
        let second = received(from: pair.given.raw)
        #expect(second?.bytes == [3] && second?.hasDescriptor == true)
        #expect(received(from: pair.given.raw) == nil)
    }

    @Test func `a descriptor that was handed over leads to the same socket`() throws {
        let pair = try PacketSocketPair()
        let stream = try StreamSocketPair()
        #expect(DescriptorPacket.send([1], with: stream.first.raw, to: pair.kept.raw))
        guard case .packet(let packet) = DescriptorPacket.receive(from: pair.given.raw) else {
            Issue.record("no packet")
            return
        }
        var handed = packet
        guard let end = handed.takeDescriptor() else {
            Issue.record("no descriptor")
            return
        }
        #expect(ClientSocket.send([5, 6, 7].span, to: end.raw) == .sent(3))
        var area = ReceiveArea(receiveCapacity: 16, leftoverCapacity: 0)
        area.begin()
        #expect(area.receive(from: stream.second.raw) == .bytes(3))
        #expect(area.copy() == [5, 6, 7])
    }

    @Test func `without room a packet isn't waited for, and an end that is closed is told of`()
        throws
    {
        let pair = try PacketSocketPair()
        var count = 0
        while DescriptorPacket.send([1], to: pair.kept.raw) { count += 1 }
        #expect(count > 0)
        let other = try PacketSocketPair()
        ClientSocket.finishSending(other.given.raw)
        guard case .over = DescriptorPacket.receive(from: other.kept.raw) else {
            Issue.record("not over")
            return
        }
    }
}
