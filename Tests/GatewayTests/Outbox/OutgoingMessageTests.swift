import Gateway
import Reactor
import Testing

@Suite struct OutgoingMessageBehaviour {
    @Test func `frames are counted, whichever way they are written`() {
        var outbox = OutboxTesting.outbox()
        var message = outbox.message()
        #expect(message.frameCount == 0)
        message.text.append("one")
        message.endFrame()
        message.writeFrame(.pong, [1, 2].span)
        message.text.append("why")
        message.writeCloseWithText(.serviceRestart)
        message.writeClose(.tooSlow, "slow")
        #expect(message.frameCount == 4)
        let isTextEmpty = message.text.count == 0
        #expect(isTextEmpty, "a frame takes what it is written around")
        let bytes = message.bytes.copy()
        #expect(ServerFrames.count(in: bytes.span) == 4)
        outbox.discard(message)
    }

    @Test func `a resync is a frame for each resource`() {
        var outbox = OutboxTesting.outbox()
        var message = outbox.message()
        message.writeResync(
            of: ResourceList(["tasks", "sprints", "projects"]),
            in: ProjectID(high: 1, low: 2), .slowConsumer, at: OutboxTesting.clock.wall)
        #expect(message.frameCount == 3)
        let bytes = message.bytes.copy()
        #expect(ServerFrames.count(in: bytes.span) == 3)
        outbox.discard(message)
    }

    @Test func `one that is given back is empty when it comes again`() {
        var outbox = OutboxTesting.outbox()
        for isQueued in [false, true] {
            var message = outbox.message()
            #expect(message.frameCount == 0)
            let counts = [message.text.count, message.bytes.count]
            #expect(counts == [0, 0])
            message.text.append("a frame")
            message.endFrame()
            message.text.append("the beginning of another")
            var queue = ClientQueue()
            if isQueued {
                outbox.queue(message, for: 0, &queue, OutboxTesting.clock)
            } else {
                outbox.discard(message)
            }
        }
        let message = outbox.message()
        let counts = [message.text.count, message.bytes.count, message.frameCount]
        #expect(counts == [0, 0, 0])
    }

    @Test func `who has two at a time gets two`() {
        var outbox = OutboxTesting.outbox()
        var one = outbox.message()
        var other = outbox.message()
        one.text.append("one")
        other.text.append("other")
        one.endFrame()
        other.endFrame()
        let bytes = [one.bytes.copy(), other.bytes.copy()]
        #expect(bytes[0] != bytes[1])
        outbox.discard(one)
        outbox.discard(other)
    }

    @Test func `frames can be put into a segment of the caller's`() {
        var outbox = OutboxTesting.outbox()
        var segment = SegmentIndex.none
        #expect(outbox.byteCount(of: segment) == 0)
        outbox.release(segment)
        for count in 1...2 {
            let message = OutboxTesting.message(1, of: 8, in: &outbox)
            outbox.append(message, to: &segment)
            outbox.discard(message)
            #expect(outbox.byteCount(of: segment) == 10 * count)
            #expect(outbox.segments.frames(of: segment) == count)
        }
        outbox.release(segment)
        #expect(outbox.segments.liveCount == 1)
    }
}
