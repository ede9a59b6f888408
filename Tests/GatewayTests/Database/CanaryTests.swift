import Gateway
import Reactor
import Testing

@Suite struct CanaryBehaviour {
    private static let second: UInt64 = 1_000_000_000

    private func at(_ seconds: UInt64) -> Instant {
        Instant(nanoseconds: 1_000 * Self.second + seconds * Self.second)
    }

    /// A canary of which the first has come back at second 0.
    private func healthy() -> Canary {
        var canary = Canary(nonce: 7)
        canary.begin(at(0))
        _ = canary.due(at(0))
        canary.sent(at(0))
        _ = canary.heard(number: 1, at(0))
        return canary
    }

    @Test func `each instance has a channel of its own`() {
        #expect(Canary(nonce: 0xAB).channel == "devhive_canary_00000000000000ab")
        #expect(Canary(nonce: .max).channel == "devhive_canary_ffffffffffffffff")
    }

    @Test func `nothing is sent before the listener is live, and one at once when it is`() {
        var canary = Canary(nonce: 1)
        #expect(canary.deadline == nil)
        #expect(canary.due(at(100)) == .nothing)
        canary.begin(at(100))
        #expect(canary.due(at(100)) == .send)
        #expect(canary.due(at(100)) == .nothing)
        #expect(canary.deadline == at(105))
    }

    @Test func `one that couldn't be sent is sent as soon as one can`() {
        var canary = Canary(nonce: 1)
        canary.hurry(at(99))
        #expect(canary.deadline == nil, "nobody listens yet")
        canary.begin(at(100))
        #expect(canary.due(at(100)) == .send)
        // The query session isn't there yet: no `sent`.
        canary.hurry(at(101))
        #expect(canary.due(at(101)) == .send)
    }

    @Test func `the round trip is timed`() {
        var canary = healthy()
        #expect(canary.due(at(5)) == .send)
        canary.sent(at(5))
        #expect(canary.heard(number: 2, at(6)) == Self.second)
        #expect(canary.isInTime(at(6)))
    }

    @Test func `three intervals of silence end the listener`() {
        var canary = healthy()
        for seconds in [UInt64(5), 10, 15] {
            #expect(canary.due(at(seconds)) == .send)
            canary.sent(at(seconds))
        }
        #expect(!canary.isInTime(at(15)))
        #expect(canary.due(at(20)) == .silence)
    }

    @Test func `a server that stands still is found though nothing more can be sent`() {
        var canary = healthy()
        #expect(canary.due(at(5)) == .send)
        canary.sent(at(5))
        // The query session is lost meanwhile: no `sent`.
        #expect(canary.due(at(10)) == .send)
        #expect(canary.due(at(15)) == .send)
        #expect(canary.due(at(20)) == .silence)
    }

    @Test func `what was never said is no silence`() {
        var canary = healthy()
        _ = canary.due(at(5))
        canary.sent(at(5))
        canary.forget()
        #expect(canary.due(at(10)) == .send)
        #expect(canary.due(at(15)) == .send)
        #expect(canary.due(at(20)) == .send)
        #expect(!canary.isInTime(at(20)))
    }

    @Test func `a late one shows that the listener hears, and is not timed`() {
        var canary = healthy()
        _ = canary.due(at(5))
        canary.sent(at(5))
        _ = canary.due(at(10))
        canary.sent(at(10))
        #expect(canary.heard(number: 2, at(11)) == nil)
        #expect(canary.due(at(20)) == .send)
        #expect(canary.heard(number: 99, at(21)) == nil, "from before a restart, or nobody's")
    }

    @Test(arguments: ["", "1", "1 ", " 2", "1 2 3", "a 2", "1 b"])
    func `a payload is two numbers`(text: String) {
        let bytes = Array(text.utf8)
        #expect(CanaryPayload(bytes.span) == nil)
    }

    @Test func `a payload brings its number and a cursor`() throws {
        let bytes = Array("12 3456".utf8)
        let read = CanaryPayload(bytes.span)
        let payload = try #require(read)
        #expect(payload.number == 12)
        #expect(payload.cursor == Cursor(transaction: 3_456))
    }
}
