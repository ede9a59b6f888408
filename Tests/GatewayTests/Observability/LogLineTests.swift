import Gateway
import Logging
import Reactor
import Testing

@Suite struct LogLineBehaviour {
    /// 2026-01-02T03:04:05.678Z.
    private static let moment: Int64 = 1_767_323_045_678_901

    private static func line(
        _ format: LogFormat, limit: Int = 4_096, at microseconds: Int64 = moment,
        message: String = "message", _ pairs: [(String, String)] = []
    ) -> String {
        var line = LogLine(format: format, limit: limit)
        line.begin(microseconds: microseconds, level: .info, message: message)
        for (key, value) in pairs { line.add(key: key, value: value) }
        line.finish()
        return String(decoding: line.buffer)
    }

    @Test func `a text line is time, level, message and pairs`() {
        let line = Self.line(.text, [("a", "1"), ("b", "two words"), ("c", "")])
        #expect(
            line == "2026-01-02T03:04:05.678Z info message a=1 b=\"two words\" c=\"\"\n")
    }

    @Test func `a JSON line is one object in the same order`() {
        let line = Self.line(.json, [("a", "1"), ("b", "two \"words\"")])
        #expect(
            line == #"{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"message","#
                + #""a":"1","b":"two \"words\""}"# + "\n")
    }

    @Test func `a literal stands without quotes in JSON`() {
        var line = LogLine(format: .json)
        line.begin(microseconds: 0, level: .debug, message: "m")
        line.add(key: "total", value: "142", isLiteral: true)
        line.finish()
        let text = String(decoding: line.buffer)
        #expect(text.hasSuffix(#","message":"m","total":142}"# + "\n"))
    }

    @Test(arguments: [LogFormat.text, .json])
    func `no content makes a second line or steers a terminal`(format: LogFormat) {
        var hostile = "\u{1B}[2J\r\nfake info line"
        for value in UInt32(0)..<0xA0 {
            if let scalar = Unicode.Scalar(value) { hostile.unicodeScalars.append(scalar) }
        }
        let line = Self.line(format, message: hostile, [("key", hostile)])
        let controls = line.unicodeScalars.filter {
            $0.value < 0x20 || (0x7F...0x9F).contains($0.value)
        }
        #expect(controls.count == 1)
        #expect(line.hasSuffix("\n"))
        #expect(line.contains(#"\u001b[2J\r\nfake"#))
    }

    @Test(arguments: [LogFormat.text, .json])
    func `no content turns text around or hides in it`(format: LogFormat) {
        let hostile = "a\u{202E}b\u{2066}c\u{200B}\u{FEFF}\u{2028}\u{2029}\u{E0041}é\u{1F600}"
        let line = Self.line(format, message: hostile, [("key", hostile)])
        let escaped = #"a\u202eb\u2066c\u200b\ufeff\u2028\u2029\udb40\udc41é"# + "\u{1F600}"
        #expect(line.components(of: escaped) == 2)
    }

    @Test(arguments: [LogFormat.text, .json])
    func `a line of any length stays within its limit, whole characters and well-formed`(
        format: LogFormat
    ) {
        for length in 0..<200 {
            let value = String(repeating: "é\"\u{E0041}", count: length)
            let line = Self.line(format, limit: 256, [("key", value), ("next", "value")])
            #expect(line.utf8.count <= 256)
            #expect(line.hasSuffix(format == .json ? "}\n" : "\n"))
            #expect(!line.contains("\u{FFFD}"))
            let last = format == .json ? #""next":"value""# : "next=value"
            let isCut = !line.contains(last)
            #expect(isCut == line.contains("truncated"))
            #expect(isCut || !line.contains("…"))
            if format == .json {
                #expect(Self.quotesThatArentEscaped(line).isMultiple(of: 2))
            }
        }
    }

    @Test func `a pair that has no room at all is left out, and the line says so`() {
        let key = String(repeating: "k", count: 300)
        let line = Self.line(.json, limit: 256, [(key, "value")])
        #expect(line.hasSuffix(#""message":"message","truncated":true}"# + "\n"))
    }

    @Test func `the longest message fills a line to its limit and not beyond`() {
        let message = String(repeating: "m", count: 10_000)
        let line = Self.line(.json, message: message, [("key", "value")])
        #expect(line.utf8.count <= 4_096)
        #expect(line.utf8.count > 4_096 - 32)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_399_999_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000_000, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999_000, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func `times are UTC, leap days included`(microseconds: Int64, expected: String) {
        let line = Self.line(.text, at: microseconds)
        #expect(line.hasPrefix(expected + " "))
    }

    private static func quotesThatArentEscaped(_ line: String) -> Int {
        var quotes = 0
        var isEscaped = false
        for byte in line.utf8 {
            if byte == UInt8(ascii: "\""), !isEscaped { quotes += 1 }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        return quotes
    }
}

extension String {
    /// How often it has the text.
    fileprivate func components(of text: String) -> Int {
        var count = 0
        var rest = self[...]
        while let found = rest.firstRange(of: text) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
