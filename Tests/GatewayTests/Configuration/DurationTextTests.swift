import Gateway
import Testing

@Suite struct DurationTextBehaviour {
    @Test(arguments: [
        ("54s", Duration.seconds(54)), ("500ms", .milliseconds(500)), ("1m", .seconds(60)),
        ("1h", .seconds(3_600)), ("0s", .zero), ("007s", .seconds(7)),
        ("8784h", .seconds(366 * 86_400)),
    ])
    func `a whole number with one unit is read`(text: String, expected: Duration) {
        #expect(Duration(text: text) == expected)
    }

    @Test(arguments: [
        "", "s", "5", "-5s", "+5s", "5 s", " 5s", "5s ", "1.5s", "1m30s", "5S", "5d", "5us",
        "٥s", "9223372036854775807h", "99999999999999999999s", "8785h", "0x5s", "5s\n",
    ])
    func `anything else is refused`(text: String) {
        #expect(Duration(text: text) == nil)
    }

    @Test(arguments: ["1ms", "999ms", "1500ms", "1s", "60s", "121s", "5m", "90m", "1h", "24h"])
    func `the text of a duration reads back as it`(text: String) throws {
        let duration = try #require(Duration(text: text))
        #expect(duration.text == text)
        #expect(Duration(text: duration.text) == duration)
    }

    @Test func `nanoseconds saturate instead of overflowing`() {
        #expect(Duration.milliseconds(1_500).nanoseconds == 1_500_000_000)
        #expect(Duration.milliseconds(-1).nanoseconds == 0)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
        #expect(Duration.milliseconds(1_500).milliseconds == 1_500)
    }
}
