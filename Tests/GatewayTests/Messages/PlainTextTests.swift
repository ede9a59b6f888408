import Gateway
import Testing

@Suite struct PlainTextBehaviour {
    @Test(arguments: 0..<20)
    func `a text ends at the first byte that can't stand in a JSON string as it is`(count: Int) {
        let special = Set(0..<0x20).union([0x22, 0x5C]).union(0x80...0xFF)
        for place in 0..<count {
            for byte in 0...UInt8.max {
                var text = [UInt8](repeating: UInt8(ascii: "a"), count: count)
                text[place] = byte
                // Neighbours of special bytes, and one behind it that must not matter.
                if place > 0 { text[place - 1] = 0x21 }
                if place + 1 < count { text[place + 1] = place % 2 == 0 ? 0x22 : 0x5B }
                for start in max(0, place - 9)...place {
                    let expected = (start..<count).first { special.contains(Int(text[$0])) }
                    let end = text.span.endOfPlainText(from: start)
                    guard end != expected ?? count else { continue }
                    Issue.record("\(text) from \(start): \(end), not \(expected ?? count)")
                    return
                }
            }
        }
    }
}
