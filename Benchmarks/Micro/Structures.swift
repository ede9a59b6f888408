internal import Gateway
internal import Reactor

/// The hub and the timer wheel.
enum Structures {
    private static let clients = 10_000

    static func measure(with meter: inout Meter) throws {
        try fanOut(&meter)
        timers(&meter)
    }

    /// A broadcast to 10,000 members without the sends: what the hub costs for each.
    private static func fanOut(_ meter: inout Meter) throws {
        let message = try Samples.message()
        var hub = Hub(clientCapacity: clients, projectsPerClientMax: 100)
        var pool = SegmentPool()
        for client in 0..<clients { _ = hub.join(ClientIndex(client), Samples.project) }
        guard let room = hub.room(of: Samples.project) else {
            throw MicroFailure("nobody is in the room")
        }
        var frame = ByteBuffer()
        FrameEncoder.write(message.span, opcode: .text, into: &frame)
        var sum = 0
        meter.measure("fan-out to one member, without the send", operations: 2_000_000) { count in
            for _ in 0..<max(1, count / clients) {
                sum += broadcast(&hub, &pool, room, frame)
            }
        }
        consume(sum)
    }

    private static func broadcast(
        _ hub: inout Hub, _ pool: inout SegmentPool, _ room: RoomIndex,
        _ frame: borrowing ByteBuffer
    ) -> Int {
        var sum = 0
        guard hub.append(frame, to: room, in: &pool, framesMax: 16, bytesMax: 65_536),
            hub.fanOut(of: room) != nil
        else { return 0 }
        while true {
            switch hub.nextRecipient(in: room) {
            case .member(let member): sum += Int(member.client)
            case .finished(let segment):
                pool.release(segment)
                hub.rotateActiveRooms(served: hub.activeRoomCount)
                return sum
            }
        }
    }

    private static func timers(_ meter: inout Meter) {
        var wheel = TimerWheel(capacity: 100_000, now: 0)
        for index in 0..<UInt32(100_000) { wheel.schedule(index, at: 10 + index % 400) }
        meter.measure("timer reschedule", operations: 2_000_000) { count in
            for step in 0..<count {
                wheel.schedule(UInt32(step * 7 % 100_000), at: 10 + UInt32(step % 400))
            }
        }
        var now: UInt32 = 1_000
        var visits = 0
        meter.measure("timer visit and reschedule", operations: 2_000_000) { count in
            let end = visits + count
            while visits < end {
                now += 1
                while let index = wheel.popDue(now: now) {
                    wheel.schedule(index, at: now + 400)
                    visits += 1
                }
            }
        }
    }
}
