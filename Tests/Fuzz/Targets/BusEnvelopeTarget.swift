internal import Gateway
internal import Reactor

/// What comes by Redis: its protocol, and envelopes, as they are and with codes that are right, while secrets
/// change. A node goes on whatever comes, hands on only whole frames of processes that have shown
/// themselves, keeps no more than it may, and afterwards hears who has the same secret.
enum BusEnvelopeTarget {
    private static let secret = Array("a secret of the fuzzers' bus".utf8)

    static func run(_ input: [UInt8]) {
        readReplies(input)
        readPayloads(input)
        guard var listener = node(BusIdentity(node: 256, epoch: 1)),
            var speaker = node(BusIdentity(node: 512, epoch: 2))
        else { preconditionFailure("OpenSSL has no HMAC") }
        var script = FuzzInput(input)
        var milliseconds: UInt64 = 0
        while !script.isAtEnd {
            let now = Instant(nanoseconds: milliseconds * 1_000_000)
            let choice = script.byte()
            if choice & 6 == 6 {
                change(&listener, to: choice >> 3 & 3, now)
            } else if choice & 6 == 4 {
                change(&speaker, to: choice >> 3 & 3, now)
            }
            let isRaw = choice & 1 == 0
            let bytes = script.take(Int(script.byte()))
            let envelope = isRaw ? bytes : speaker.wrap(bytes.span) ?? []
            if case .frame(let range) = listener.open(envelope.span, now) {
                precondition(!isRaw, "a frame that nobody has authenticated")
                let codes = envelope.count - range.upperBound
                precondition(range.count >= 28 && (codes == 32 || codes == 64))
            }
            // Questions are answered, sometimes.
            while let question = listener.dequeueOutgoing() {
                if script.byte() & 1 == 1 { _ = speaker.open(question.bytes.span, now) }
            }
            while let proof = speaker.dequeueOutgoing() { _ = listener.open(proof.bytes.span, now) }
            milliseconds += UInt64(script.byte()) * 50
        }
        meet(&listener, &speaker, Instant(nanoseconds: (milliseconds + 20_000) * 1_000_000))
    }

    /// One of a few secrets, so that they come back to earlier ones and to each other's.
    private static func change(_ node: inout Envelopes, to number: UInt8, _ now: Instant) {
        guard let authentication = try? HMACSHA256(key: (secret + [number]).span) else {
            preconditionFailure("OpenSSL has no HMAC")
        }
        node.change(by: authentication, now)
    }

    /// Whatever came before, two that have the same secret soon hear each other.
    private static func meet(
        _ listener: inout Envelopes, _ speaker: inout Envelopes, _ now: Instant
    ) {
        change(&listener, to: 4, now)
        change(&speaker, to: 4, now)
        var frame = ByteBuffer()
        BusFrame(sender: BusIdentity(node: 512, epoch: 2), number: 1, .goodbye(GoodbyeFrame()))
            .write(into: &frame)
        for isLast in [false, true] {
            let envelope = speaker.wrap(frame.bytes) ?? []
            let opened = listener.open(envelope.span, now)
            if isLast, case .frame(let range) = opened {
                precondition(Array(envelope[range]) == frame.copy(), "another frame comes out")
            } else {
                precondition(!isLast, "one that has shown itself isn't heard")
            }
            while let question = listener.dequeueOutgoing() {
                _ = speaker.open(question.bytes.span, now)
            }
            while let proof = speaker.dequeueOutgoing() { _ = listener.open(proof.bytes.span, now) }
        }
    }

    private static func node(_ identity: BusIdentity) -> Envelopes? {
        try? Envelopes(identity, secret: secret.span, prefix: "p", skipsOwnHost: false, seed: 1)
    }

    /// What comes by NOTIFY, in pieces that begin as parts do; and what is taken apart is put together.
    private static func readPayloads(_ input: [UInt8]) {
        var received = NotifyPayloads()
        var script = FuzzInput(input)
        while !script.isAtEnd {
            let digits = [
                UInt8(ascii: "0") + script.byte() % 5, UInt8(ascii: "0") + script.byte() % 5,
            ]
            let payload = digits + script.take(Int(script.byte()))
            if let envelope = received.take(payload.span) {
                precondition(envelope.count <= NotifyPayloads.partsMax * NotifyPayloads.partBytes)
            }
        }
        guard !input.isEmpty, input.count <= Envelopes.bytesMax else { return }
        var whole: [UInt8]?
        for payload in NotifyPayloads.payloads(of: input) {
            precondition(whole == nil, "whole before its last part")
            let bytes = Array(payload.utf8)
            whole = received.take(bytes.span)
        }
        precondition(whole == input, "another envelope comes out")
    }

    /// The same bytes in one piece and in two are the same replies.
    private static func readReplies(_ input: [UInt8]) {
        let whole = replies([input])
        let middle = input.count / 2
        let halves = replies([Array(input[..<middle]), Array(input[middle...])])
        precondition(whole == halves, "a cut makes other replies")
        for reply in whole {
            guard case .primary(let host) = RedisSentinels.answer(reply) else { continue }
            precondition(host.port > 0 && (1...253).contains(host.name.utf8.count), "no host")
        }
    }

    private static func replies(_ pieces: [[UInt8]]) -> [RedisReply] {
        guard var reader = RedisReader() else { return [] }
        var replies: [RedisReply] = []
        do throws(RedisFault) {
            for piece in pieces {
                try reader.feed(piece.span)
                while let reply = try reader.next() { replies.append(reply) }
            }
        } catch {
            precondition(error == .malformed || error == .flooded)
        }
        return replies
    }
}
