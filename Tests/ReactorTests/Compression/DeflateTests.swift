import Reactor
import Testing

/// What became of a compressed message, and what it says.
struct Inflated: Equatable {
    var outcome: Inflater.Outcome
    var bytes: [UInt8]

    init(_ outcome: Inflater.Outcome, _ text: String) {
        self.outcome = outcome
        bytes = Array(text.utf8)
    }

    init(_ compressed: [UInt8], bytesMax: Int = 1 << 20, using inflater: inout Inflater) {
        var buffer = ByteBuffer()
        outcome = inflater.decompress(compressed.span, into: &buffer, bytesMax: bytesMax)
        bytes = buffer.copy()
    }

    init(_ compressed: [UInt8], bytesMax: Int = 1 << 20) {
        var inflater = Inflater()
        self.init(compressed, bytesMax: bytesMax, using: &inflater)
    }
}

@Suite struct DeflateBehaviour {
    private func compress(_ bytes: [UInt8], windowBits: Int32 = 9) -> [UInt8] {
        var deflater = Deflater(windowBits: windowBits)
        var buffer = ByteBuffer()
        deflater.compress(bytes.span, into: &buffer)
        return buffer.copy()
    }

    /// RFC 7692 §7.2.3.1, and 3 to 6.
    static let vectors: [[UInt8]] = [
        [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00],
        [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
        [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
        [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
    ]

    @Test(arguments: vectors)
    func `the standard's examples say Hello (RFC 7692 §7.2.3)`(compressed: [UInt8]) {
        #expect(Inflated(compressed) == Inflated(.done, "Hello"))
    }

    @Test(arguments: vectors)
    func `an example that is cut short anywhere doesn't say Hello`(compressed: [UInt8]) {
        for count in 0..<compressed.count {
            #expect(Inflated(Array(compressed.prefix(count))) != Inflated(.done, "Hello"))
        }
    }

    @Test func `the empty message is one byte (RFC 7692 §7.2.3.6)`() {
        #expect(Inflated([0x00]) == Inflated(.done, ""))
        #expect(compress([]) == [0x00])
    }

    @Test func `Hello is compressed as in the standard's first example`() {
        #expect(compress(Array("Hello".utf8)) == Self.vectors[0])
    }

    @Test func `nothing is remembered of the message before (RFC 7692 §7.2.3.2)`() {
        var inflater = Inflater()
        #expect(Inflated(Self.vectors[0], using: &inflater) == Inflated(.done, "Hello"))
        // Says Hello to those who have kept their window.
        let second = Inflated([0xF2, 0x00, 0x11, 0x00, 0x00], using: &inflater)
        #expect(second.outcome == .beyondHistory)
        // And the fault isn't remembered either.
        #expect(Inflated(Self.vectors[0], using: &inflater) == Inflated(.done, "Hello"))
    }

    @Test func `a compressor begins anew with each message`() {
        var deflater = Deflater(windowBits: 9)
        var first = ByteBuffer()
        var second = ByteBuffer()
        let message = Array(repeating: UInt8(ascii: "a"), count: 300)
        deflater.compress(message.span, into: &first)
        deflater.compress(message.span, into: &second)
        #expect(first.copy() == second.copy())
        #expect(first.count < 20)
    }

    @Test(arguments: [0, 1, 255, 256, 511, 512, 513, 4_096, 16_384, 16_385, 200_000])
    func `what is compressed is what comes back`(count: Int) {
        var state: UInt32 = 12_345
        let noise = (0..<count).map { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(state >> 24)
        }
        let text = (0..<count).map { UInt8(ascii: "a") + UInt8($0 / 7 % 5) }
        for message in [noise, text] {
            for bits: Int32 in [9, 12, 15] {
                let back = Inflated(compress(message, windowBits: bits))
                #expect(back.outcome == .done)
                #expect(back.bytes == message)
            }
        }
    }

    @Test func `a message may have as many bytes as are allowed, and not one more`() {
        let message = Array(repeating: UInt8(ascii: "a"), count: 20_000)
        let compressed = compress(message)
        #expect(Inflated(compressed, bytesMax: 20_000).outcome == .done)
        #expect(Inflated(compressed, bytesMax: 20_001).outcome == .done)
        let cut = Inflated(compressed, bytesMax: 19_999)
        #expect(cut.outcome == .tooLarge)
        #expect(cut.bytes.count == 19_999)
        #expect(Inflated([0x00], bytesMax: 0).outcome == .done)
        #expect(Inflated(Self.vectors[0], bytesMax: 0).outcome == .tooLarge)
    }

    @Test func `a bomb is unpacked no further than is allowed`() {
        let bomb = compress(Array(repeating: 0, count: 10 << 20), windowBits: 15)
        #expect(bomb.count < 20_000)
        let result = Inflated(bomb, bytesMax: 512)
        #expect(result.outcome == .tooLarge)
        #expect(result.bytes.count == 512)
    }

    @Test func `bytes that are no DEFLATE are corrupt, whatever they are`() {
        for first in UInt8.min...UInt8.max {
            // Block type 3 is reserved; of the others, no message of one byte has its end.
            let isReserved = first & 0x06 == 0x06
            let result = Inflated([first, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
            #expect(result.outcome == .corrupt || !isReserved)
        }
        #expect(Inflated([]).outcome == .corrupt)
        #expect(Inflated([0x07]).outcome == .corrupt)
    }

    @Test func `random bytes never trap and never exceed what is allowed`() {
        let seed = UInt32.random(in: 0...UInt32.max)
        print("seed of random DEFLATE: \(seed)")
        var state = seed
        var inflater = Inflater()
        for round in 0..<2_000 {
            let bytes = (0..<round % 97).map { _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return UInt8(state >> 24)
            }
            let result = Inflated(bytes, bytesMax: 1_000, using: &inflater)
            #expect(result.bytes.count <= 1_000)
        }
        #expect(Inflated(Self.vectors[0], using: &inflater) == Inflated(.done, "Hello"))
    }
}
