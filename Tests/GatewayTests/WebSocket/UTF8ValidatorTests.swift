import Gateway
import Testing

@Suite struct UTF8ValidatorBehaviour {
    private typealias Oracle = WebSocketTesting.UTF8Oracle

    private func accepted(_ text: [UInt8]) -> (count: Int, isAtBoundary: Bool) {
        var validator = UTF8Validator()
        let count = validator.accept(text.span)
        return (count, validator.isAtBoundary)
    }

    /// Compares with the arithmetic, alone and with ASCII behind it: bytes take another way through
    /// the validator if a word of eight can be read.
    private func expectVerdictOfOracle(_ text: [UInt8]) {
        let alone = accepted(text)
        if alone.count != Oracle.acceptedCount(text) { Issue.record("\(text): \(alone.count)") }
        let expected = Oracle.acceptedCount(text + [0x61])
        let padded = accepted(text + [UInt8](repeating: 0x61, count: 8))
        let isWhole = expected == text.count + 1
        let expectedPadded = isWhole ? text.count + 8 : expected
        if padded.count != expectedPadded || isWhole && !padded.isAtBoundary {
            Issue.record("\(text) and ASCII: \(padded.count)")
        }
    }

    @Test func `the state is at most two bytes, and zero at a boundary`() {
        #expect(MemoryLayout<UTF8Validator>.size <= 2)
        var validator = UTF8Validator()
        #expect(WebSocketTesting.isZero(validator))
        let text = Array("aé€😀".utf8)
        let count = validator.accept(text.span)
        #expect(count == text.count)
        #expect(WebSocketTesting.isZero(validator))
    }

    @Test func `every sequence of one and two bytes gets the verdict of the arithmetic`() {
        for first in UInt8.min...UInt8.max {
            for second in UInt8.min...UInt8.max {
                expectVerdictOfOracle([first, second])
            }
        }
    }

    @Test func `lead, every second byte, and the edges of the third and fourth`() {
        let edges: [UInt8] = [0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF]
        for first in UInt8(0xE0)...0xFF {
            for second in UInt8.min...UInt8.max {
                for third in edges {
                    for fourth in edges {
                        expectVerdictOfOracle([first, second, third, fourth])
                    }
                }
            }
        }
    }

    @Test func `every scalar value is accepted, and a boundary stands only at its end`() {
        for value in UInt32(0)...0x10_FFFF where value < 0x800 || value % 61 == 0 {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = Array(String(scalar).utf8)
            for count in 1...text.count {
                let verdict = accepted(Array(text[..<count]))
                if verdict.count != count || verdict.isAtBoundary != (count == text.count) {
                    Issue.record("U+\(String(value, radix: 16)) after \(count)")
                }
            }
        }
    }

    @Test(
        arguments: [
            ([0xC0, 0x80], 0), ([0xC1, 0xBF], 0), ([0xE0, 0x9F, 0xBF], 1), ([0xF0, 0x8F, 0xBF], 1),
            ([0xED, 0xA0, 0x80], 1), ([0xED, 0xBF, 0xBF], 1), ([0xF4, 0x90, 0x80], 1),
            ([0xF5, 0x80], 0), ([0xFE], 0), ([0xFF], 0), ([0x80], 0), ([0x61, 0xBF], 1),
            ([0xE2, 0x82, 0x20], 2), ([0xF0, 0x9F, 0x98, 0x41], 3), ([0xC3, 0xC3], 1),
        ] as [([UInt8], Int)])
    func `overlong forms, surrogates and the like are refused at the byte that shows it`(
        text: [UInt8], place: Int
    ) {
        #expect(accepted(text).count == place)
    }

    @Test func `one bad byte among ASCII is found at every place, length and alignment`() {
        for length in 0...72 {
            for start in 0..<8 {
                for place in 0..<length {
                    var text = [UInt8](repeating: 0x61, count: start + length)
                    text[start + place] = 0xFF
                    var validator = UTF8Validator()
                    let count = validator.accept(text.span.extracting(start..<text.count))
                    if count != place { Issue.record("\(length), \(start), \(place): \(count)") }
                }
                let text = [UInt8](repeating: 0x7F, count: start + length)
                var validator = UTF8Validator()
                let count = validator.accept(text.span.extracting(start..<text.count))
                #expect(count == length)
            }
        }
    }

    @Test func `random text with random faults is judged alike however it is cut`() {
        var random = WebSocketTesting.Random.seeded(for: "UTF8Validator")
        let pieces = ["plain words and more of them ", "é", "€", "😀", "жизнь", "日本語", "\u{0}"]
        for _ in 0..<4_000 {
            var text: [UInt8] = []
            for _ in 0..<random.below(12) { text += pieces[random.below(pieces.count)].utf8 }
            if !text.isEmpty, random.below(2) == 0 {
                text[random.below(text.count)] = UInt8(random.below(256))
            }
            let expected = Oracle.acceptedCount(text)
            let whole = accepted(text)
            #expect(whole.count == expected)
            let isValid = String(validating: text, as: UTF8.self) != nil
            #expect((whole.count == text.count && whole.isAtBoundary) == isValid)

            var validator = UTF8Validator()
            var taken = 0
            while taken < text.count {
                let size = min(1 + random.below(9), text.count - taken)
                let count = validator.accept(text.span.extracting(taken..<taken + size))
                taken += count
                if count < size { break }
            }
            #expect(taken == expected)
        }
    }
}
