import Gateway
import Reactor
import Testing

@Suite struct EnvelopesBehaviour {
    private static let secret = Array("a secret that all nodes share, long enough".utf8)
    private static let frame = frame(of: BusTesting.identity(1))

    private static func node(
        _ identity: BusIdentity, secret: [UInt8] = secret, prefix: String = "devhive",
        skipsOwnHost: Bool = false
    ) throws -> Envelopes {
        try Envelopes(
            identity, secret: secret.span, prefix: prefix, skipsOwnHost: skipsOwnHost,
            seed: identity.node &+ identity.epoch)
    }

    private static func frame(of identity: BusIdentity) -> [UInt8] {
        BusTesting.bytes(
            of: BusFrame(sender: identity, number: 1, .counts(CountsFrame(clients: 1, hash: 0))))
    }

    private static func wrapped(_ frame: [UInt8], by node: inout Envelopes) throws -> [UInt8] {
        let envelope = node.wrap(frame.span)
        return try #require(envelope)
    }

    private static func outgoing(_ node: inout Envelopes) throws -> Envelopes.Outgoing {
        let next = node.dequeueOutgoing()
        return try #require(next)
    }

    /// Lets `listener` hear what `speaker` says, until it is believed.
    private static func introduce(
        _ speaker: inout Envelopes, _ identity: BusIdentity, to listener: inout Envelopes
    ) throws {
        let first = try wrapped(frame(of: identity), by: &speaker)
        let unknown = listener.open(first.span, BusTesting.start)
        #expect(unknown == .nothing)
        let question = try Self.outgoing(&listener)
        #expect(question.target == identity.node)
        let asked = speaker.open(question.bytes.span, BusTesting.start)
        #expect(asked == .nothing && speaker.isGreetingDue)
        let proof = try Self.outgoing(&speaker)
        let proven = listener.open(proof.bytes.span, BusTesting.start)
        #expect(proven == .nothing)
    }

    @Test func `who has shown that it is there is believed, and nobody before`() throws {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        var speaker = try Self.node(one)
        var listener = try Self.node(two)
        try Self.introduce(&speaker, one, to: &listener)
        let frame = Self.frame(of: one)
        let envelope = try Self.wrapped(frame, by: &speaker)
        guard case .frame(let range) = listener.open(envelope.span, BusTesting.start) else {
            Issue.record("a frame of a process that is believed")
            return
        }
        #expect(Array(envelope[range]) == frame)
        #expect(listener.figures.unproven == 1)
    }

    @Test
    func `numbers grow in the order in which envelopes are sent, also of what was asked before`()
        throws
    {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        var speaker = try Self.node(one)
        var listener = try Self.node(two)
        let first = try Self.wrapped(Self.frame(of: one), by: &speaker)
        _ = listener.open(first.span, BusTesting.start)
        let question = try Self.outgoing(&listener)
        _ = speaker.open(question.bytes.span, BusTesting.start)
        // A frame leaves before the proof does.
        let early = try Self.wrapped(Self.frame(of: one), by: &speaker)
        let proof = try Self.outgoing(&speaker)
        let dropped = listener.open(early.span, BusTesting.start)
        _ = listener.open(proof.bytes.span, BusTesting.start)
        let again = listener.open(early.span, BusTesting.start)
        #expect(dropped == .nothing && again == .nothing)
        #expect(listener.figures.unproven == 2 && listener.figures.repeated == 1)
    }

    @Test func `what has come is of no use again, nor what is older`() throws {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        var speaker = try Self.node(one)
        var listener = try Self.node(two)
        try Self.introduce(&speaker, one, to: &listener)
        let first = try Self.wrapped(Self.frame(of: one), by: &speaker)
        let second = try Self.wrapped(Self.frame(of: one), by: &speaker)
        for (envelope, isTaken) in [(second, true), (second, false), (first, false)] {
            let opened = listener.open(envelope.span, BusTesting.start)
            #expect((opened != .nothing) == isTaken)
        }
        #expect(listener.figures.repeated == 2)
    }

    @Test func `who was silent for 10 s has to show itself anew`() throws {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        for (milliseconds, isTaken) in [(9_999, true), (10_000, false)] as [(UInt64, Bool)] {
            var speaker = try Self.node(one)
            var listener = try Self.node(two)
            try Self.introduce(&speaker, one, to: &listener)
            let envelope = try Self.wrapped(Self.frame(of: one), by: &speaker)
            let opened = listener.open(envelope.span, .at(milliseconds: milliseconds))
            #expect((opened != .nothing) == isTaken)
        }
    }

    @Test func `what a process that has ended once said raises nobody from the dead`() throws {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        var speaker = try Self.node(one)
        // What the process said, also to a question of this listener's, in its life before.
        var earlier = try Self.node(two)
        let hello = try Self.wrapped(Self.frame(of: one), by: &speaker)
        var recorded = [hello]
        _ = earlier.open(hello.span, BusTesting.start)
        let question = try Self.outgoing(&earlier)
        _ = speaker.open(question.bytes.span, BusTesting.start)
        recorded.append(try Self.outgoing(&speaker).bytes)
        recorded.append(try Self.wrapped(Self.frame(of: one), by: &speaker))
        // It asks by another word now.
        var other = try Envelopes(
            two, secret: Self.secret.span, prefix: "devhive", skipsOwnHost: false, seed: 99)
        for envelope in recorded + recorded {
            let opened = other.open(envelope.span, BusTesting.start)
            #expect(opened == .nothing)
        }
        #expect(other.figures.unproven == 4 && other.figures.repeated == 2)
    }

    @Test func `another epoch has to show itself anew, and the one before is believed until then`()
        throws
    {
        let (old, new) = (BusIdentity(node: 512, epoch: 1), BusIdentity(node: 512, epoch: 2))
        var first = try Self.node(old)
        var second = try Self.node(new)
        var listener = try Self.node(BusTesting.identity(9))
        try Self.introduce(&first, old, to: &listener)
        let early = try Self.wrapped(Self.frame(of: new), by: &second)
        let unknown = listener.open(early.span, BusTesting.start)
        #expect(unknown == .nothing)
        let still = try Self.wrapped(Self.frame(of: old), by: &first)
        let believed = listener.open(still.span, BusTesting.start)
        #expect(believed != .nothing)
        let question = try Self.outgoing(&listener)
        // It isn't asked of the one before.
        _ = first.open(question.bytes.span, BusTesting.start)
        let nobody = first.dequeueOutgoing()
        #expect(nobody == nil)
        _ = second.open(question.bytes.span, BusTesting.start)
        let proof = try Self.outgoing(&second)
        _ = listener.open(proof.bytes.span, BusTesting.start)
        let late = try Self.wrapped(Self.frame(of: old), by: &first)
        let gone = listener.open(late.span, BusTesting.start)
        #expect(gone == .nothing)
        let now = try Self.wrapped(Self.frame(of: new), by: &second)
        let taken = listener.open(now.span, BusTesting.start)
        #expect(taken != .nothing)
    }

    @Test func `another secret, another prefix and a changed byte are noticed`() throws {
        let one = BusTesting.identity(1)
        var listener = try Self.node(BusTesting.identity(2))
        var strangers: [[UInt8]] = []
        var other = try Self.node(one, secret: Self.secret + [1])
        strangers.append(try Self.wrapped(Self.frame, by: &other))
        var elsewhere = try Self.node(one, prefix: "devhive2")
        strangers.append(try Self.wrapped(Self.frame, by: &elsewhere))
        var speaker = try Self.node(one)
        let envelope = try Self.wrapped(Self.frame, by: &speaker)
        // Of the first four bytes another value is another version.
        for position in 4..<envelope.count {
            var changed = envelope
            changed[position] ^= 1
            strangers.append(changed)
        }
        for stranger in strangers {
            let opened = listener.open(stranger.span, BusTesting.start)
            #expect(opened == .nothing)
        }
        #expect(listener.figures.unauthentic == UInt64(strangers.count))
        let question = listener.dequeueOutgoing()
        #expect(question == nil, "nobody who isn't authentic is asked anything")
    }

    @Test func `cut anywhere, longer than any, or of another version it is skipped`() throws {
        var speaker = try Self.node(BusTesting.identity(1))
        var listener = try Self.node(BusTesting.identity(2))
        let envelope = try Self.wrapped(Self.frame, by: &speaker)
        var wrong = (0..<envelope.count).map { Array(envelope[..<$0]) }
        wrong.append(envelope + [UInt8](repeating: 0, count: Envelopes.bytesMax))
        for position in 0..<4 {
            var changed = envelope
            changed[position] ^= 0x80
            wrong.append(changed)
        }
        for bytes in wrong {
            let opened = listener.open(bytes.span, BusTesting.start)
            #expect(opened == .nothing)
        }
        let figures = listener.figures
        #expect(figures.invalid + figures.unauthentic == UInt64(wrong.count))
    }

    private static let newSecret = Array("the next one, which is long enough as well".utf8)

    private static func change(
        _ node: inout Envelopes, to secret: [UInt8] = newSecret, at now: Instant = BusTesting.start
    ) throws {
        let authentication = try HMACSHA256(key: secret.span)
        node.change(by: authentication, now)
    }

    /// Whether a frame of the speaker's is believed.
    private static func hears(
        _ listener: inout Envelopes, _ speaker: inout Envelopes, _ identity: BusIdentity,
        at now: Instant = BusTesting.start
    ) throws -> Bool {
        let envelope = try Self.wrapped(Self.frame(of: identity), by: &speaker)
        let opened = listener.open(envelope.span, now)
        return opened != .nothing
    }

    @Test func `who has the new secret and who has yet to get it hear each other`() throws {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        var first = try Self.node(one)
        var second = try Self.node(two)
        try Self.introduce(&first, one, to: &second)
        try Self.introduce(&second, two, to: &first)
        for isChanged in [(true, false), (true, true)] {
            if isChanged.1 { try Self.change(&second) } else { try Self.change(&first) }
            let there = try Self.hears(&second, &first, one)
            let back = try Self.hears(&first, &second, two)
            #expect(there && back)
        }
        // One that is known to neither, of each secret.
        for (number, secret) in [(3, Self.secret), (4, Self.newSecret)] as [(UInt64, [UInt8])] {
            let identity = BusTesting.identity(number)
            var third = try Self.node(identity, secret: secret)
            try Self.introduce(&third, identity, to: &first)
            let isHeard = try Self.hears(&first, &third, identity)
            #expect(isHeard)
        }
        // What says which have yet to get it: a frame of the second, and three of the third.
        #expect(first.figures.former == 4 && second.figures.former == 0)
        #expect(first.figures.unauthentic == 0 && second.figures.unauthentic == 0)
    }

    @Test func `the former secret counts for ten minutes, and the one before it no more`() throws {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        let last = Limits.busFormerSecretNanoseconds / 1_000_000
        for (milliseconds, isTaken) in [(last - 1, true), (last, false)] {
            var listener = try Self.node(two)
            try Self.change(&listener)
            var speaker = try Self.node(one)
            let hello = try Self.wrapped(Self.frame(of: one), by: &speaker)
            _ = listener.open(hello.span, .at(milliseconds: milliseconds))
            #expect(listener.figures.unauthentic == (isTaken ? 0 : 1))
            // And for as long it is what is said by, too.
            var old = try Self.node(one)
            let envelope = try Self.wrapped(Self.frame(of: two), by: &listener)
            _ = old.open(envelope.span, BusTesting.start)
            #expect(old.figures.unauthentic == (isTaken ? 0 : 1))
        }
        var listener = try Self.node(two)
        try Self.change(&listener)
        try Self.change(&listener, to: Self.secret + [3])
        var oldest = try Self.node(one)
        let hello = try Self.wrapped(Self.frame(of: one), by: &oldest)
        _ = listener.open(hello.span, BusTesting.start)
        #expect(listener.figures.unauthentic == 1)
    }

    @Test func `its own frames come back as such across a change`() throws {
        let own = BusTesting.identity(1)
        var node = try Self.node(own)
        let before = try Self.wrapped(Self.frame, by: &node)
        try Self.change(&node)
        let after = try Self.wrapped(Self.frame, by: &node)
        let first = node.open(before.span, BusTesting.start)
        let second = node.open(after.span, BusTesting.start)
        #expect(first == .own(number: 1) && second == .own(number: 2))
    }

    @Test func `of two codes one is enough, and neither can be taken away`() throws {
        var speaker = try Self.node(BusTesting.identity(1))
        try Self.change(&speaker)
        let envelope = try Self.wrapped(Self.frame, by: &speaker)
        let codes = envelope.count - 64
        var other = envelope
        other[codes] ^= 1
        var none = other
        none[codes + 32] ^= 1
        let kept = Array(envelope[..<codes])
        var single = envelope
        single[3] = 0
        var third = envelope
        third[3] = 2
        let cases: [(bytes: [UInt8], isTaken: Bool)] = [
            (envelope, true), (other, true), (none, false),
            (Array(envelope[..<(codes + 32)]), false), (single, false), (third, false),
            (kept + envelope[(codes + 32)...] + envelope[codes..<(codes + 32)], true),
        ]
        for (position, one) in cases.enumerated() {
            var listener = try Self.node(BusTesting.identity(2))
            _ = listener.open(one.bytes.span, BusTesting.start)
            #expect((listener.figures.unproven == 1) == one.isTaken, "case \(position)")
        }
        var listener = try Self.node(BusTesting.identity(2))
        for count in 0..<envelope.count {
            let opened = listener.open(Array(envelope[..<count]).span, BusTesting.start)
            #expect(opened == .nothing)
        }
        #expect(listener.figures.unproven == 0)
    }

    @Test func `a frame in another's name is skipped`() throws {
        let (one, two) = (BusTesting.identity(1), BusTesting.identity(2))
        var speaker = try Self.node(one)
        var listener = try Self.node(two)
        try Self.introduce(&speaker, one, to: &listener)
        let envelope = try Self.wrapped(Self.frame(of: BusTesting.identity(3)), by: &speaker)
        let opened = listener.open(envelope.span, BusTesting.start)
        #expect(opened == .nothing && listener.figures.invalid == 1)
    }

    @Test func `its own frames come back as such, and those of its host's workers are left out`()
        throws
    {
        let own = BusIdentity(host: 4_096, worker: 1, epoch: 1)
        let sibling = BusIdentity(host: 4_096, worker: 2, epoch: 1)
        var node = try Self.node(own, skipsOwnHost: true)
        let envelope = try Self.wrapped(Self.frame(of: own), by: &node)
        let opened = node.open(envelope.span, BusTesting.start)
        #expect(opened == .own(number: 1) && node.number == 1)
        var other = try Self.node(sibling)
        let theirs = try Self.wrapped(Self.frame(of: sibling), by: &other)
        let skipped = node.open(theirs.span, BusTesting.start)
        let asked = node.dequeueOutgoing()
        #expect(skipped == .nothing && asked == nil)
    }

    @Test func `nobody is asked twice in a second, and no more are known than may be`() throws {
        var listener = try Self.node(BusIdentity(node: 1, epoch: 1))
        var speaker = try Self.node(BusTesting.identity(2))
        for second in 0..<3 as Range<UInt64> {
            for _ in 0..<3 {
                let envelope = try Self.wrapped(
                    Self.frame(of: BusTesting.identity(2)), by: &speaker)
                _ = listener.open(envelope.span, .at(milliseconds: second * 1_000))
            }
            let first = listener.dequeueOutgoing()
            let next = listener.dequeueOutgoing()
            #expect(first != nil && next == nil)
        }
        var crowd = try Self.node(BusIdentity(node: 1, epoch: 1))
        for number in 2...UInt64(Limits.busNodesMax + 11) {
            let identity = BusTesting.identity(number)
            var one = try Self.node(identity)
            try Self.introduce(&one, identity, to: &crowd)
        }
        #expect(crowd.figures.refused == 10)
        // Who has been silent for long makes room.
        let late = BusTesting.identity(1_000)
        var one = try Self.node(late)
        let hello = try Self.wrapped(Self.frame(of: late), by: &one)
        _ = crowd.open(hello.span, .at(milliseconds: 31_000))
        let question = try Self.outgoing(&crowd)
        _ = one.open(question.bytes.span, .at(milliseconds: 31_000))
        let proof = try Self.outgoing(&one)
        _ = crowd.open(proof.bytes.span, .at(milliseconds: 31_000))
        #expect(crowd.figures.refused == 10)
    }

    @Test func `noise behind a right beginning is skipped`() throws {
        var listener = try Self.node(BusTesting.identity(2))
        var random = Jitter(seed: 3)
        for _ in 0..<1_000 {
            var bytes: [UInt8] = [0xDE, 1, UInt8(random.next() % 5), 0]
            bytes += (0..<random.next() % 120).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let opened = listener.open(bytes.span, BusTesting.start)
            #expect(opened == .nothing)
        }
    }
}
