import Gateway
import Reactor
import Testing

@Suite struct NotifyPayloadsBehaviour {
    private static func envelope(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    }

    private static func take(_ payload: String, _ payloads: inout NotifyPayloads) -> [UInt8]? {
        let bytes = Array(payload.utf8)
        return payloads.take(bytes.span)
    }

    /// Bytes of an envelope, and its parts.
    private static let sizes: [(Int, Int)] = {
        let part = NotifyPayloads.partBytes
        let two = 2 * part
        return [
            (1, 1), (part - 1, 1), (part, 1), (part + 1, 2), (two, 2), (two + 1, 3),
            (Envelopes.bytesMax, 3),
        ]
    }()

    @Test(arguments: sizes)
    func `an envelope is as many payloads as it needs, each of which NOTIFY takes`(
        count: Int, partCount: Int
    ) {
        let envelope = Self.envelope(count)
        let payloads = NotifyPayloads.payloads(of: envelope)
        #expect(payloads.count == partCount && partCount <= NotifyPayloads.partsMax)
        for payload in payloads {
            #expect(payload.utf8.count <= 7_999)
            // It stands between quotes in a statement.
            #expect(payload.utf8.allSatisfy { $0 != UInt8(ascii: "'") && $0 != UInt8(ascii: "\\") })
        }
        var received = NotifyPayloads()
        for (position, payload) in payloads.enumerated() {
            let whole = Self.take(payload, &received)
            #expect(whole == (position == partCount - 1 ? envelope : nil))
        }
        #expect(received.invalidCount == 0)
    }

    @Test func `parts that don't fit together are none, and what follows is`() {
        let first = NotifyPayloads.payloads(of: Self.envelope(2 * NotifyPayloads.partBytes))
        let second = NotifyPayloads.payloads(of: Self.envelope(NotifyPayloads.partBytes + 7))
        let other = NotifyPayloads.payloads(of: Self.envelope(Envelopes.bytesMax))
        var received = NotifyPayloads()
        // Without its first, twice the first, a part of another count, and without its second.
        for payload in [first[1], first[0], first[0], other[1], first[1], other[0], other[2]] {
            let whole = Self.take(payload, &received)
            #expect(whole == nil)
        }
        #expect(received.invalidCount == 4)
        for (payload, isLast) in [(second[0], false), (second[1], true)] {
            let whole = Self.take(payload, &received)
            #expect((whole != nil) == isLast)
        }
    }

    @Test(arguments: [
        "", "1", "11", "01AAAA", "10AAAA", "21AAAA", "14AAAA", "99AAAA", "11A", "11AA=", "11A'AA",
        "1 AAAA", "ab",
    ])
    func `what nobody has made here is refused`(payload: String) {
        var received = NotifyPayloads()
        let whole = Self.take(payload, &received)
        #expect(whole == nil && received.invalidCount == 1)
    }

    @Test func `a payload that is too long is refused`() {
        for (count, isTaken) in [
            (NotifyPayloads.bytesMax, true), (NotifyPayloads.bytesMax + 1, false),
        ] {
            var received = NotifyPayloads()
            let payload = "11" + String(repeating: "A", count: count - 2)
            let whole = Self.take(payload, &received)
            #expect((whole != nil) == isTaken)
        }
    }
}
