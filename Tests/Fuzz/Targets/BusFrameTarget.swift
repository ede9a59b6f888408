internal import Gateway
internal import Reactor

/// `BusFrame` and what is done with it: what is understood is written back byte for byte, and whatever
/// comes, in any number, a node goes on and keeps no more than it may.
enum BusFrameTarget {
    private static let own = BusIdentity(node: 1, epoch: 1)

    static func run(_ input: [UInt8]) {
        readBack(input)
        var bus = Bus(own, countsUsers: true, now: Instant(nanoseconds: 0))
        var script = FuzzInput(input)
        var milliseconds: UInt64 = 0
        while !script.isAtEnd {
            let now = Instant(nanoseconds: milliseconds * 1_000_000)
            let bytes = frame(&script)
            if case .users(let wanted, let asker) = bus.receive(bytes.span, now) {
                bus.answer(wanted, of: asker, with: [UserID(high: 0, low: 1)], now)
            }
            let act = script.byte()
            let pair = MembershipPair(
                project: ProjectID(high: 0, low: UInt64(act >> 6)), user: UserID(high: 0, low: 0))
            if act & 2 == 2 { bus.people.noteRemoval(of: pair, now) }
            if act & 1 == 1 {
                let present = PresenceChange(pair, act & 4 == 4 ? .active : .absent)
                bus.publish([], clients: 1, present: [present], now)
            }
            while let pair = bus.people.dequeueChanged() { _ = bus.people.seen(pair) }
            look(&bus, now)
            bus.check(now)
            precondition(bus.people.elsewhereCount <= Limits.busPeopleMax)
            precondition(bus.users.count <= Limits.busUsersMax)
            precondition(bus.nodeCount <= Limits.busNodesMax + 1)
            milliseconds += UInt64(script.byte()) * 50
        }
        while bus.waiting.removeFirst(if: isUnderstood) != nil {}
    }

    /// One of the users has a connection here.
    private static func look(_ bus: inout Bus, _ now: Instant) {
        guard bus.userLookPosition(now) != nil else { return }
        bus.users.add(bus.users.askedFor.map { UserCount($0, 1) }, next: nil)
        bus.publish(connections: bus.users.endLook(now))
    }

    private static func readBack(_ input: [UInt8]) {
        guard let frame = try? BusFrame(input.span) else { return }
        var buffer = ByteBuffer()
        frame.write(into: &buffer)
        precondition(buffer.copy() == input, "another frame is written")
    }

    /// What this node says others understand.
    private static func isUnderstood(_ bytes: borrowing Span<UInt8>) -> Bool {
        precondition((try? BusFrame(bytes)) != nil)
        return true
    }

    /// The rest as it is, or a header that is right with a body of the input's.
    private static func frame(_ script: inout FuzzInput) -> [UInt8] {
        let kind = script.byte()
        guard kind < 128 else { return script.take(Int(script.byte())) }
        let word: (UInt8) -> [UInt8] = { [0, 0, 0, 0, 0, 0, 0, $0] }
        var bytes = [0xDB, 1, kind & 15, script.byte() & 1]
        bytes += word(script.byte() & 3) + word(script.byte() & 3) + word(script.byte())
        return bytes + script.take(Int(script.byte()))
    }
}
