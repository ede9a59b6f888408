import Gateway
import Reactor
import Testing

/// Cores of which each hears the others, as far as they are connected.
private struct Several: ~Copyable {
    var first: CoreHarness
    var second: CoreHarness
    /// Whether frames arrive.
    var isConnected = true
    /// Frames about people that were sent.
    var peopleFrames = 0

    private init(_ first: consuming CoreHarness, _ second: consuming CoreHarness) {
        self.first = first
        self.second = second
    }

    /// They hear each other, and the time after the start is over.
    static func make(checksMembership: Bool = false) throws -> Several {
        var first = try CoreHarness(
            checksMembership: checksMembership,
            bus: BusIdentity(host: 0x100, worker: 1, epoch: 1))
        var second = try CoreHarness(
            checksMembership: checksMembership,
            bus: BusIdentity(host: 0x100, worker: 2, epoch: 1))
        for user in 1...3 as ClosedRange<UInt64> {
            first.database.add(user, to: 1)
            second.database.add(user, to: 1)
        }
        var several = Several(first, second)
        several.pass(milliseconds: 1_300)
        return several
    }

    mutating func turn(milliseconds: UInt64 = 1) {
        first.turn(milliseconds: milliseconds)
        second.turn(milliseconds: milliseconds)
        let ofFirst = Self.takeFrames(&first)
        for frame in ofFirst where isConnected { _ = second.core.receiveBusFrame(frame.span) }
        let ofSecond = Self.takeFrames(&second)
        for frame in ofSecond where isConnected { _ = first.core.receiveBusFrame(frame.span) }
        peopleFrames += (ofFirst + ofSecond).count { $0[2] >= 7 }
    }

    mutating func pass(milliseconds: UInt64) {
        for _ in 0..<milliseconds / 10 { turn(milliseconds: 10) }
    }

    @discardableResult
    static func takeFrames(_ harness: inout CoreHarness) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        while harness.core.sendBusFrame(by: { bytes in
            frames.append(bytes.indices.map { bytes[$0] })
            return true
        }) {}
        return frames
    }

    func presentFirst(_ client: Int) -> [UInt64: String] { first.present(to: client) }
    func presentSecond(_ client: Int) -> [UInt64: String] { second.present(to: client) }
    func textsFirst(_ client: Int) -> [String] { first.presenceTexts(of: client) }
    func typingFirst(_ client: Int) -> [String] { first.typingTexts(of: client) }
    func typingSecond(_ client: Int) -> [String] { second.typingTexts(of: client) }
    func faultsFirst(_ client: Int) -> [String] { first.view(of: client).faults }
}

@Suite struct CorePeopleBehaviour {
    @Test func `who is present at another process is in the list, then away, then gone`() throws {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 2_500)
        #expect(several.presentFirst(watcher) == [1: "active", 2: "active"])
        #expect(several.presentSecond(other) == [1: "active", 2: "active"])
        several.second.presence(#","state":"away""#, from: other)
        several.pass(milliseconds: 2_500)
        #expect(several.presentFirst(watcher) == [1: "active", 2: "away"])
        several.second.presence(#","mode":"off""#, from: other)
        several.pass(milliseconds: 2_500)
        #expect(several.presentFirst(watcher) == [1: "active"])
        #expect(several.faultsFirst(watcher) == [])
    }

    @Test func `who comes first to a project here gets those elsewhere with the first state`()
        throws
    {
        var several = try Several.make()
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 500)
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        several.turn()
        let texts = several.textsFirst(watcher)
        #expect(texts.count == 1)
        #expect(several.presentFirst(watcher) == [1: "active", 2: "active"])
        #expect(texts[0].contains(#""count":2"#) && texts[0].hasSuffix(#""partial":false}"#))
    }

    @Test func `who asks for nothing makes no frame`() throws {
        var several = try Several.make()
        _ = try several.first.open(user: 1, project: 1)
        _ = try several.second.open(user: 2, project: 1)
        several.pass(milliseconds: 10_000)
        #expect(several.peopleFrames == 0)
    }

    @Test func `who goes from one process to another never left`() throws {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let before = try several.second.open(user: 2, project: 1)
        several.second.presence(from: before)
        several.pass(milliseconds: 2_500)
        let told = several.textsFirst(watcher).count
        several.second.reset(before)
        several.pass(milliseconds: 3_000)
        let after = try several.first.open(user: 2, project: 1)
        several.first.presence(from: after)
        several.pass(milliseconds: 20_000)
        #expect(several.textsFirst(watcher).count == told)
        several.first.reset(after)
        several.pass(milliseconds: 18_000)
        #expect(several.presentFirst(watcher) == [1: "active"])
    }

    @Test func `who is sent away by a process that ends may come back in the window and 15 s`()
        throws
    {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 2_500)
        several.second.core.beginDrain()
        several.pass(milliseconds: 10_000)
        _ = several.second.core.continueDrain()
        several.pass(milliseconds: 200)
        // Clients were told to come back within a second, of which a fifth has passed.
        let left = several.second.core.reconnectWindowLeft
        #expect((750...850).contains(left))
        var goodbye = ByteBuffer()
        several.second.core.writeGoodbye(into: &goodbye)
        _ = several.first.core.receiveBusFrame(goodbye.bytes)
        several.isConnected = false
        several.pass(milliseconds: 15_500)
        #expect(several.presentFirst(watcher).count == 2)
        several.pass(milliseconds: 3_000)
        #expect(several.presentFirst(watcher) == [1: "active"])
    }

    @Test func `an invisible user isn't spoken of`() throws {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        several.pass(milliseconds: 500)
        let hidden = try several.second.open(user: 2, project: 1)
        several.second.presence(#","invisible":true"#, from: hidden)
        several.second.type("task", from: hidden)
        several.pass(milliseconds: 5_000)
        #expect(several.presentFirst(watcher) == [1: "active"])
        #expect(several.typingFirst(watcher).isEmpty)
        #expect(several.presentSecond(hidden) == [1: "active"])
    }

    @Test func `a removed member disappears in the turn of the announcement, and stays away`()
        throws
    {
        var several = try Several.make(checksMembership: true)
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 2_500)
        #expect(several.presentFirst(watcher).count == 2)
        several.first.database.remove(2, from: 1)
        several.first.notifyRemoval(of: 2, from: 1)
        several.turn()
        #expect(several.presentFirst(watcher) == [1: "active"])
        // The other process hears of it 8 s later, and goes on saying so meanwhile.
        several.second.presence(#","state":"away""#, from: other)
        several.pass(milliseconds: 8_000)
        #expect(several.presentFirst(watcher) == [1: "active"])
        several.second.database.remove(2, from: 1)
        several.second.notifyRemoval(of: 2, from: 1)
        several.pass(milliseconds: 3_000)
        #expect(several.presentFirst(watcher) == [1: "active"])
        #expect(several.faultsFirst(watcher) == [])
    }

    @Test func `who comes after a removal isn't shown the removed member, whom others still name`()
        throws
    {
        var several = try Several.make(checksMembership: true)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 2_500)
        // Nobody looks at the project here when the removal is announced.
        several.first.database.remove(2, from: 1)
        several.first.notifyRemoval(of: 2, from: 1)
        several.turn()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        several.pass(milliseconds: 2_500)
        #expect(several.presentFirst(watcher) == [1: "active"])
    }

    @Test func `a removal counts also before anybody was heard of`() throws {
        var several = try Several.make(checksMembership: true)
        several.first.database.remove(2, from: 1)
        several.first.notifyRemoval(of: 2, from: 1)
        several.turn()
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        several.pass(milliseconds: 2_500)
        #expect(several.presentFirst(watcher) == [1: "active"])
    }

    @Test func `a removal that is none changes nothing in the end, at no process`() throws {
        var several = try Several.make(checksMembership: true)
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 2_500)
        several.first.notifyRemoval(of: 2, from: 1)
        several.second.notifyRemoval(of: 2, from: 1)
        several.pass(milliseconds: 5_000)
        #expect(several.presentFirst(watcher) == [1: "active", 2: "active"])
        #expect(several.presentSecond(other) == [1: "active", 2: "active"])
    }

    @Test func `who types at another process is told of, and ends everywhere`() throws {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 500)
        several.second.type("task", from: other)
        several.pass(milliseconds: 200)
        #expect(several.typingFirst(watcher) == [CoreHarness.typing("task", [2])])
        several.second.type("task", #","stop":true"#, from: other)
        several.pass(milliseconds: 1_500)
        #expect(several.typingFirst(watcher).last == CoreHarness.typing("task", []))
        several.second.type("task", from: other)
        several.pass(milliseconds: 200)
        several.isConnected = false
        several.pass(milliseconds: 8_500)
        #expect(several.typingFirst(watcher).count == 4)
        #expect(several.typingFirst(watcher).last == CoreHarness.typing("task", []))
        #expect(several.typingSecond(other).isEmpty)
    }

    @Test
    func `a process that is silent makes states partial after 10 s, and its users leave at 30`()
        throws
    {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 2_500)
        let told = several.textsFirst(watcher).count
        several.isConnected = false
        several.first.pass(milliseconds: 15_000)
        Several.takeFrames(&several.first)
        several.first.presence(from: watcher)
        several.first.pass(milliseconds: 1_500)
        let texts = several.textsFirst(watcher)
        #expect(texts.count == told + 1 && texts[told].hasSuffix(#""partial":true}"#))
        #expect(several.presentFirst(watcher).count == 2, "nobody leaves who is silent")
        several.first.pass(milliseconds: 17_000)
        #expect(several.presentFirst(watcher) == [1: "active"])
    }

    @Test func `when nobody is here any more nothing of it is left but what others say`() throws {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(from: other)
        several.pass(milliseconds: 2_500)
        several.first.reset(watcher)
        several.pass(milliseconds: 20_000)
        let leftovers = several.first.leftovers
        #expect(leftovers.isEmpty)
        #expect(several.presentSecond(other) == [2: "active"])
        let again = try several.first.open(user: 3, project: 1)
        several.first.presence(from: again)
        several.turn()
        #expect(several.presentFirst(again) == [2: "active", 3: "active"])
    }

    @Test func `a room at rest keeps who is elsewhere, and wakes when that changes`() throws {
        var several = try Several.make()
        let watcher = try several.first.open(user: 1, project: 1)
        several.first.presence(from: watcher)
        let other = try several.second.open(user: 2, project: 1)
        several.second.presence(#","state":"away""#, from: other)
        several.pass(milliseconds: 20_000)
        several.second.presence(from: other)
        several.pass(milliseconds: 500)
        #expect(several.presentFirst(watcher) == [1: "active", 2: "active"])
        several.second.presence(#","mode":"off""#, from: other)
        several.pass(milliseconds: 20_000)
        #expect(several.presentFirst(watcher) == [1: "active"])
        #expect(several.faultsFirst(watcher) == [])
    }
}
