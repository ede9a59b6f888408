import Gateway
import Reactor
import Testing

@Suite struct EnvelopeExchangeBehaviour {
    private static let secret = Array("a secret that all nodes share, long enough".utf8)
    private static let one = BusIdentity(host: 4_096, worker: 1, epoch: 1)
    private static let two = BusIdentity(host: 8_192, worker: 1, epoch: 2)

    private static func exchange(
        of identity: BusIdentity, hasRelay: Bool = false
    ) throws -> EnvelopeExchange {
        EnvelopeExchange(
            identity, hasRelay: hasRelay,
            envelopes: try Envelopes(
                identity, secret: secret.span, prefix: "p", skipsOwnHost: hasRelay,
                seed: identity.epoch))
    }

    private static func frame(of identity: BusIdentity) -> [UInt8] {
        BusTesting.bytes(
            of: BusFrame(sender: identity, number: 1, .counts(CountsFrame(clients: 1, hash: 0))))
    }

    /// One that is for a single node.
    private static func frame(of identity: BusIdentity, for target: BusIdentity) -> [UInt8] {
        BusTesting.bytes(
            of: BusFrame(
                sender: identity, number: 1,
                .snapshotWanted(SnapshotWanted(target: target, shard: 0))))
    }

    private static func wrapped(
        _ frame: [UInt8], by exchange: inout EnvelopeExchange
    ) throws -> Envelopes.Outgoing {
        let envelope = exchange.wrap(frame.span)
        return try #require(envelope)
    }

    @Test func `it hears itself, and says how long that took`() throws {
        var exchange = try Self.exchange(of: Self.one)
        exchange.begin(.at(milliseconds: 0))
        let envelope = try Self.wrapped(Self.frame(of: Self.one), by: &exchange)
        exchange.noteSent(envelope, .at(milliseconds: 100))
        let later = try Self.wrapped(Self.frame(of: Self.one, for: Self.two), by: &exchange)
        exchange.noteSent(later, .at(milliseconds: 101))
        #expect(envelope.target == nil && later.target == Self.two.node)
        // What is for another doesn't come back, and takes nothing away.
        let heard = exchange.open(envelope.bytes, .at(milliseconds: 107))
        #expect(heard == nil)
        let figures = exchange.figures(isLive: true)
        #expect(figures.roundTripNanoseconds == 7_000_000)
        #expect(figures.framesSent == 2 && figures.framesReceived == 1 && figures.isLive)
        #expect(figures.bytesSent == UInt64(envelope.bytes.count + later.bytes.count))
        #expect(exchange.deafAt == .at(milliseconds: 10_107))
    }

    @Test func `it is deaf when nothing of its own has come back for 10 s`() throws {
        var exchange = try Self.exchange(of: Self.one)
        exchange.begin(.at(milliseconds: 0))
        for (milliseconds, isDeaf) in [(9_999, false), (10_000, true)] as [(UInt64, Bool)] {
            let found = exchange.isDeaf(.at(milliseconds: milliseconds))
            #expect(found == isDeaf)
        }
        #expect(exchange.figures(isLive: false).deafnesses == 1)
        // A new connection has its time again.
        exchange.begin(.at(milliseconds: 11_000))
        let isDeaf = exchange.isDeaf(.at(milliseconds: 20_999))
        #expect(!isDeaf)
    }

    @Test func `a canary of a connection that was lost measures nothing`() throws {
        var exchange = try Self.exchange(of: Self.one)
        exchange.begin(.at(milliseconds: 0))
        let envelope = try Self.wrapped(Self.frame(of: Self.one), by: &exchange)
        exchange.noteSent(envelope, .at(milliseconds: 1))
        exchange.noteLoss()
        exchange.begin(.at(milliseconds: 5_000))
        _ = exchange.open(envelope.bytes, .at(milliseconds: 5_001))
        let figures = exchange.figures(isLive: true)
        #expect(figures.roundTripNanoseconds == 0 && figures.losses == 1)
    }

    @Test func `who asks is answered and greeted once, and its frames are handed on then`() throws {
        var first = try Self.exchange(of: Self.one)
        var second = try Self.exchange(of: Self.two)
        let hello = try Self.wrapped(Self.frame(of: Self.one), by: &first)
        let unknown = second.open(hello.bytes, .at(milliseconds: 0))
        #expect(unknown == nil)
        let question = second.dequeueAnswer()
        let bytes = try #require(question).bytes
        let none = first.open(bytes, .at(milliseconds: 1))
        let isDue = (first.takeGreetingDue(), first.takeGreetingDue())
        #expect(none == nil && isDue == (true, false))
        let proof = first.dequeueAnswer()
        _ = second.open(try #require(proof).bytes, .at(milliseconds: 2))
        let frame = Self.frame(of: Self.one)
        let envelope = try Self.wrapped(frame, by: &first)
        let heard = second.open(envelope.bytes, .at(milliseconds: 3))
        #expect(heard == frame)
    }

    @Test func `frames for a worker of the own host stay on it, where there is a relay`() throws {
        let sibling = BusIdentity(host: 4_096, worker: 2, epoch: 1)
        for hasRelay in [true, false] {
            let exchange = try Self.exchange(of: Self.one, hasRelay: hasRelay)
            for (frame, isForOthers) in [
                (Self.frame(of: Self.one), true), (Self.frame(of: Self.one, for: Self.two), true),
                (Self.frame(of: Self.one, for: sibling), !hasRelay),
            ] {
                let concerns = exchange.concernsOthers(frame.span)
                #expect(concerns == isForOthers)
            }
        }
    }

    @Test func `what is dropped and what came is counted`() throws {
        var exchange = try Self.exchange(of: Self.one)
        exchange.noteDropped()
        exchange.noteReceived(byteCount: 7)
        _ = exchange.open([], .at(milliseconds: 0))
        let figures = exchange.figures(isLive: false)
        #expect(figures.framesDropped == 1 && figures.bytesReceived == 7)
        #expect(figures.framesReceived == 1 && figures.envelopes.invalid == 1 && !figures.isLive)
    }
}
