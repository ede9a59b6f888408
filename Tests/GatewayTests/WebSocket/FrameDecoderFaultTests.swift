import Gateway
import Testing

/// What must be refused, with which code, and at which byte.
@Suite struct FrameDecoderRefusals {
    private typealias Tools = WebSocketTesting

    /// The verdict on `input`, whole and byte by byte, which must agree.
    private func failure(
        _ input: [UInt8], limits: MessageLimits = WebSocketTesting.limits(),
        location: SourceLocation = #_sourceLocation
    ) -> Tools.Event? {
        let whole = Tools.decode(input, limits: limits)
        let bytewise = Tools.decode(input, cuts: Array(0..<input.count), limits: limits)
        #expect(whole == bytewise, sourceLocation: location)
        guard case .failure = whole.last else { return nil }
        return whole.last
    }

    @Test func `every first byte, between messages and within one, alone shows its fault`() {
        let fragment = Tools.frame(0x01, "a")
        for first in UInt8.min...UInt8.max {
            let isFinal = first & 0x80 != 0
            let isReserved = first & 0x70 != 0
            let opcode = first & 0x0F
            let isKnown = [0, 1, 2, 8, 9, 10].contains(opcode)
            let isBadControl = opcode >= 8 && !isFinal
            for isWithin in [false, true] {
                let isOutOfOrder = isWithin ? opcode == 1 || opcode == 2 : opcode == 0
                let isFault = isReserved || !isKnown || isBadControl || isOutOfOrder
                let start = isWithin ? fragment : []
                let expected: Tools.Event? = isFault ? .failure(1002, at: start.count) : nil
                #expect(failure(start + [first]) == expected)
            }
        }
    }

    @Test func `closes with 1002 when a client frame is unmasked (RFC 6455 §5.1)`() {
        for first in [0x81, 0x82, 0x01, 0x88, 0x89, 0x8A] as [UInt8] {
            for length in UInt8(0)...127 {
                #expect(failure([first, length]) == .failure(1002, at: 1))
            }
        }
    }

    @Test func `closes with 1002 when a server frame is masked (RFC 6455 §5.1)`() {
        let client = Tools.limits(role: .client)
        for first in [0x81, 0x82, 0x01, 0x88, 0x89, 0x8A] as [UInt8] {
            for length in UInt8(0)...127 {
                #expect(failure([first, 0x80 | length], limits: client) == .failure(1002, at: 1))
            }
        }
    }

    @Test func `closes with 1002 when a control frame announces more than 125 bytes`() {
        for first in [0x88, 0x89, 0x8A] as [UInt8] {
            #expect(failure([first, 0x80 | 125]) == nil)
            #expect(failure([first, 0x80 | 126]) == .failure(1002, at: 1))
            #expect(failure([first, 0x80 | 127]) == .failure(1002, at: 1))
        }
    }

    @Test func `closes with 1002 when a length isn't in its shortest form (RFC 6455 §5.2)`() {
        for length in 0...125 {
            let header = Tools.header(0x81, length, width: 2)
            #expect(failure(header) == .failure(1002, at: 3))
        }
        #expect(failure(Tools.header(0x81, 126, width: 2)) == nil)
        for length in [0, 1, 125, 126, 65_534, 65_535] {
            let header = Tools.header(0x81, length, width: 8)
            #expect(failure(header) == .failure(1002, at: 7))
        }
        #expect(failure(Tools.header(0x81, 65_536, width: 8)) == nil)
    }

    @Test func `closes with 1002 when the top bit of a length is set (RFC 6455 §5.2)`() {
        for byte in [0x80, 0x81, 0xFF] as [UInt8] {
            #expect(failure([0x81, 0xFF, byte]) == .failure(1002, at: 2))
        }
    }

    @Test(arguments: [1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537])
    func `closes with 1009 at the header of a message over the limit`(limit: Int) throws {
        let limits = Tools.limits(limit)
        for length in [limit - 1, limit] {
            let header = Tools.header(0x81, length)
            #expect(failure(header, limits: limits) == nil)
            let payload = [UInt8](repeating: 0x61, count: length)
            let events = Tools.decode(Tools.frame(0x81, payload), limits: limits)
            #expect(events == [.message(.text, payload)])
        }
        // The last byte of the length that isn't zero shows it: nothing after it is waited for.
        let header = Tools.header(0x81, limit + 1).dropLast(4)
        let place = try #require(header.lastIndex { $0 != 0 })
        #expect(failure(Array(header[...place]), limits: limits) == .failure(1009, at: place))
        #expect(failure(Array(header[..<place]), limits: limits) == nil)
    }

    @Test func `closes with 1009 when the fragments' sum is over the limit`() {
        let limits = Tools.limits(200)
        let start = Tools.frame(0x01, [UInt8](repeating: 0x61, count: 100)) + Tools.frame(0x00, "b")
        #expect(failure(start + Tools.header(0x80, 98), limits: limits) == nil)
        #expect(failure(start + Tools.header(0x80, 99), limits: limits) == nil)
        let over = Tools.header(0x80, 100)
        #expect(failure(start + over, limits: limits) == .failure(1009, at: start.count + 1))
        // A control frame isn't part of the sum.
        let ping = Tools.frame(0x89, [UInt8](repeating: 0, count: 125))
        #expect(failure(start + ping + Tools.header(0x80, 99), limits: limits) == nil)
        // The next message starts from nothing.
        let end = Tools.frame(0x80, [UInt8](repeating: 0x61, count: 99))
        #expect(failure(start + end + Tools.header(0x81, 200), limits: limits) == nil)
    }

    @Test func `a limit of zero lets empty messages through`() {
        let limits = Tools.limits(0)
        #expect(Tools.decode(Tools.frame(0x81, []), limits: limits) == [.message(.text, [])])
        #expect(failure([0x81, 0x81], limits: limits) == .failure(1009, at: 1))
    }

    @Test func `a limit lowered within a message refuses its next fragment, even an empty one`() {
        var decoder = FrameDecoder()
        var buffer = Tools.frame(0x01, "abcdef") + Tools.frame(0x80, [])
        var position = 0
        var bytes = buffer.mutableSpan
        _ = decoder.next(in: &bytes, at: &position, limits: Tools.limits(6))
        let event = decoder.next(in: &bytes, at: &position, limits: Tools.limits(5))
        guard case .failure(.messageTooBig, _) = event else {
            Issue.record("\(event)")
            return
        }
    }

    @Test func `announcing 2^63−1 bytes gives 1009 with the first byte of the length`() {
        let header = Tools.header(0x81, Int.max)
        #expect(failure(header) == .failure(1009, at: 2))
        #expect(failure(Tools.header(0x82, 1 << 30)) == .failure(1009, at: 6))
    }

    @Test func `lengths up to 2^63−1 don't overflow where the limit allows them`() {
        let limits = Tools.limits(Int.max)
        #expect(failure(Tools.header(0x81, Int.max) + [0x37 ^ 0x61], limits: limits) == nil)
        // One byte and then 2^63−1 more: only the last byte of the length shows the excess.
        let start = Tools.frame(0x01, "a")
        let header = Tools.header(0x80, Int.max)
        let place = start.count + 9
        #expect(failure(start + header, limits: limits) == .failure(1009, at: place))
        #expect(failure(start + Tools.header(0x80, Int.max - 1), limits: limits) == nil)
    }

    @Test func `closes with 1003 at the first byte of a binary message that isn't wanted`() {
        let limits = Tools.limits(acceptsBinary: false)
        #expect(failure([0x82], limits: limits) == .failure(1003, at: 0))
        #expect(failure([0x02], limits: limits) == .failure(1003, at: 0))
        // Within a message it is first of all out of order.
        let start = Tools.frame(0x01, "a")
        #expect(failure(start + [0x82], limits: limits) == .failure(1002, at: start.count))
    }

    @Test(
        arguments: [
            ([0xC0, 0x80], 0), ([0x61, 0xFF], 1), ([0xE0, 0x80, 0x80], 1), ([0xED, 0xA0, 0x80], 1),
            ([0xF4, 0x90, 0x80, 0x80], 1), ([0xF5], 0), ([0xE2, 0x82, 0x41], 2),
            ([0xF0, 0x9F, 0x98, 0xC0], 3),
        ] as [([UInt8], Int)])
    func `closes with 1007 at the first bad byte, in any frame, before the frame is whole`(
        text: [UInt8], place: Int
    ) {
        // In one frame that announces more than ever comes.
        let masked = Tools.frame(0x81, text)
        let open = Tools.header(0x81, 100) + masked[6...]
        #expect(failure(open) == .failure(1007, at: 6 + place))
        let upToIt = Array(open.prefix(7 + place))
        #expect(failure(upToIt) == .failure(1007, at: 6 + place))
        #expect(failure(Array(upToIt.dropLast())) == nil)
        // Each byte in a fragment of its own, a ping before each.
        var fragments: [UInt8] = []
        var offset = 0
        for (index, byte) in text.enumerated() {
            fragments += Tools.frame(index == 0 ? 0x01 : 0x00, [byte]) + Tools.frame(0x89, [])
            if index == place { offset = fragments.count - 7 }
        }
        #expect(failure(fragments) == .failure(1007, at: offset))
    }

    @Test(arguments: [[0xC3], [0x61, 0xE2, 0x82], [0xF0, 0x9F, 0x98]] as [[UInt8]])
    func `closes with 1007 when a message ends within a character`(text: [UInt8]) {
        let whole = Tools.frame(0x81, text)
        #expect(failure(whole) == .failure(1007, at: whole.count))
        let emptyEnd = Tools.frame(0x01, text) + Tools.frame(0x80, [])
        #expect(failure(emptyEnd) == .failure(1007, at: emptyEnd.count))
    }

    @Test func `a bad message doesn't spoil what came before it, nor is it delivered in part`() {
        let input = Tools.frame(0x81, "good") + Tools.frame(0x81, [0x61, 0xFF])
        let events = Tools.decode(input)
        #expect(events == [.message(.text, Array("good".utf8)), .failure(1007, at: 17)])
    }

    @Test func `binary messages and control frames may hold any byte`() {
        let all = (0..<125).map { UInt8(255 - $0) }
        #expect(Tools.decode(Tools.frame(0x82, all)) == [.message(.binary, all)])
        #expect(Tools.decode(Tools.frame(0x89, all)) == [.control(.ping, all)])
    }

    @Test func `closes with 1008 when a message has too many fragments without a byte`() {
        let most = FrameDecoder.emptyFragmentsMax
        let begin = Tools.frame(0x01, "")
        let within = Array(repeatElement(Tools.frame(0x00, ""), count: most - 1).joined())
        #expect(failure(begin + within + Tools.frame(0x80, "")) == nil, "the last may be empty")
        let end = begin + within
        #expect(failure(end + Tools.frame(0x00, "")) == .failure(1008, at: end.count + 1))
        // Those of one message aren't those of the next.
        let message = end + Tools.frame(0x80, "a")
        #expect(failure(message + message) == nil)
        // Others may come among them.
        #expect(failure(end + Tools.frame(0x00, "a") + Tools.frame(0x89, "")) == nil)
    }
}
