import Gateway
import Testing

@Suite struct ByteSearchBehaviour {
    /// Each search beside what it looks for, said byte by byte.
    private func check(_ bytes: [UInt8], _ range: Range<Int>) {
        let span = bytes.span
        let control = range.first { bytes[$0] < 0x20 || bytes[$0] == 0x7F }
        let outside = range.first {
            !(0x21...0x7E).contains(bytes[$0]) || bytes[$0] == UInt8(ascii: "#")
        }
        let encoded = range.first { [UInt8(ascii: "%"), UInt8(ascii: "+")].contains(bytes[$0]) }
        let unplain = range.first {
            !(0x20...0x7F).contains(bytes[$0])
                || [UInt8(ascii: "\""), UInt8(ascii: "\\")].contains(bytes[$0])
        }
        #expect(ByteSearch.firstControl(in: range, of: span) == control)
        #expect(ByteSearch.firstOutsideTarget(in: range, of: span) == outside)
        #expect(ByteSearch.firstEncoded(in: range, of: span) == encoded)
        #expect(ByteSearch.firstOutsidePlainText(in: range, of: span) == unplain)
    }

    @Test func `every byte is told apart at every place of a word and behind it`() {
        for count in 1...19 {
            for place in 0..<count {
                for byte in UInt8.min...UInt8.max {
                    var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: count)
                    bytes[place] = byte
                    check(bytes, 0..<count)
                }
            }
        }
    }

    @Test func `what is behind the first find or outside the range doesn't matter`() {
        let telling: [UInt8] = [
            0x00, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x25, 0x2B, 0x5B, 0x5C, 0x7E, 0x7F, 0x80, 0xFF,
        ]
        for first in telling {
            for second in telling {
                let bytes = [0x0A, first, second, 0x61, second, 0x61, 0x61, first, first, 0x0A]
                for start in 0...2 {
                    for end in start...bytes.count { check(bytes, start..<end) }
                }
            }
        }
    }

    @Test func `a byte is found at its first place`() {
        for byte in UInt8.min...UInt8.max {
            let bytes = (0...UInt8.max).map { $0 &* 3 }  // Each value once.
            let found = ByteSearch.firstIndex(of: byte, in: 0..<bytes.count, of: bytes.span)
            #expect(found == bytes.firstIndex(of: byte))
            let neighbours: [UInt8] = [
                byte &+ 1, byte &- 1, byte ^ 0x80, byte, byte, byte &+ 1, 0, 1,
            ]
            let among = ByteSearch.firstIndex(of: byte, in: 0..<8, of: neighbours.span)
            #expect(among == neighbours.firstIndex(of: byte))
        }
    }
}
