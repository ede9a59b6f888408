import Gateway
import Testing

@Suite struct MaskingBehaviour {
    private let keyBytes: [UInt8] = [0x01, 0x20, 0xA5, 0xFF]
    private let key: UInt32 = 0xFFA5_2001

    @Test func `a key's first byte is its least significant`() {
        var bytes = [9] + keyBytes
        let read = Masking.key(in: bytes.mutableSpan, at: 1)
        #expect(read == key)
    }

    @Test func `every length, alignment and phase equals a byte by byte model`() {
        for length in 0...80 {
            for start in 0..<16 {
                for phase in 0..<8 {
                    var bytes = (0..<start + length + 16).map { UInt8(truncatingIfNeeded: $0 * 7) }
                    var expected = bytes
                    for index in 0..<length {
                        expected[start + index] ^= keyBytes[(phase + index) % 4]
                    }
                    var span = bytes.mutableSpan
                    Masking.apply(key, phase: phase, to: &span, in: start..<start + length)
                    if bytes != expected { Issue.record("\(length), \(start), \(phase)") }
                }
            }
        }
    }

    @Test func `pieces with a turned key equal the whole`() {
        let plain = (0..<200).map { UInt8($0) }
        var whole = plain
        var span = whole.mutableSpan
        Masking.apply(key, to: &span, in: 0..<200)
        for size in 1...33 {
            var pieces = plain
            var turned = key
            for start in stride(from: 0, to: 200, by: size) {
                let end = min(start + size, 200)
                var span = pieces.mutableSpan
                Masking.apply(turned, to: &span, in: start..<end)
                turned = Masking.turned(turned, by: end - start)
            }
            #expect(pieces == whole)
        }
    }

    @Test func `a turn by four, or by none, gives the key itself`() {
        for count in [0, 4, 8, 1 << 40] { #expect(Masking.turned(key, by: count) == key) }
        #expect(Masking.turned(key, by: 1) == 0x01FF_A520)
        #expect(Masking.turned(key, by: Int.max) == Masking.turned(key, by: 3))
    }

    @Test func `a large block is masked to its last byte`() {
        var bytes = [UInt8](repeating: 0, count: 100_003)
        var span = bytes.mutableSpan
        Masking.apply(key, to: &span, in: 0..<100_003)
        let isRight = bytes.indices.allSatisfy { bytes[$0] == keyBytes[$0 % 4] }
        #expect(isRight)
    }
}
