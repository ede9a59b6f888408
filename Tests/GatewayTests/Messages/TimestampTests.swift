import Gateway
import Reactor
import Testing

@Suite struct TimestampBehaviour {
    @Test(arguments: [
        ("1970-01-01T00:00:00.000000Z", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2000-02-29T12:00:00.000001Z", 951_825_600_000_001),
        ("2000-03-01T00:00:00.000000Z", 951_868_800_000_000),
        ("2024-02-29T23:59:59.999999Z", 1_709_251_199_999_999),
        ("2025-12-22T12:00:00.123456Z", 1_766_404_800_123_456),
        ("2100-02-28T23:59:59.000000Z", 4_107_542_399_000_000),
        ("2100-03-01T00:00:00.000000Z", 4_107_542_400_000_000),
        ("0001-01-01T00:00:00.000000Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ])
    func `reads and writes the form with microseconds`(text: String, microseconds: Int64) {
        #expect(Timestamp(microseconds: microseconds).description == text)
        #expect(timestamp(text) == microseconds)
    }

    @Test(arguments: [
        ("2025-12-22T12:00:00Z", 0), ("2025-12-22T12:00:00.5Z", 500_000),
        ("2025-12-22T12:00:00.000001Z", 1), ("2025-12-22T12:00:00+00:00", 0),
        ("2025-12-22T12:00:00-00:00", 0), ("2025-12-22T12:00:00.12+00:00", 120_000),
        ("2025-12-22T14:00:00+02:00", 0), ("2025-12-22T17:30:00+05:30", 0),
        ("2025-12-21T23:30:00-12:30", 0),
    ])
    func `reads what PostgreSQL writes in any time zone`(text: String, past noon: Int64) {
        #expect(timestamp(text) == 1_766_404_800_000_000 + noon)
    }

    @Test(arguments: [
        "", "2025", "2025-12-22", "2025-12-22T12:00:00", "2025-12-22 12:00:00Z",
        "2025-12-22t12:00:00Z", "2025-12-22T12:00:00z", "2025-12-22T12:00:00Z ",
        " 2025-12-22T12:00:00Z", "2025-12-22T12:00:00.Z", "2025-12-22T12:00:00.1234567Z",
        "2025-12-22T12:00:00,1Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z",
        "2025-01-00T00:00:00Z", "2025-01-32T00:00:00Z", "2025-04-31T00:00:00Z",
        "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z", "2025-12-22T24:00:00Z", "2025-12-22T12:60:00Z",
        "2025-12-22T12:00:60Z", "2025-12-22T12:00:00+0000", "2025-12-22T12:00:00+00",
        "2025-12-22T12:00:00+24:00", "2025-12-22T12:00:00+00:60", "2025-12-22T12:00:00+00:00Z",
        "+025-12-22T12:00:00Z", "2025-1-22T12:00:00Z", "infinity", "12025-12-22T12:00:00Z",
    ])
    func `refuses every other form and days that don't exist`(text: String) {
        #expect(timestamp(text) == nil)
    }

    @Test func `every beginning of a timestamp is refused`() {
        let text = "2025-12-22T12:00:00.123456+00:00"
        #expect(timestamp(text) != nil)
        for count in 0..<text.utf8.count {
            #expect(timestamp(String(text.prefix(count))) == nil)
        }
    }

    @Test func `each day of 400 years and the years around them comes back`() {
        var day: Int64 = -5 * 366
        var seen = Set<String>()
        while day < 406 * 366 {
            let noon = Timestamp(microseconds: day * 86_400_000_000 + 1)
            let text = noon.description
            #expect(timestamp(text) == noon.microseconds)
            seen.insert(text)
            day += 1
        }
        #expect(seen.count == 411 * 366)
    }

    @Test func `the short form cuts the fraction off`() {
        #expect(short(Timestamp(microseconds: 1_766_404_800_999_999)) == "2025-12-22T12:00:00Z")
        #expect(short(Timestamp(unixSeconds: 1_767_323_045)) == "2026-01-02T03:04:05Z")
        #expect(short(Timestamp(microseconds: -1)) == "1969-12-31T23:59:59Z")
    }

    @Test func `instants that have no four-digit year become the nearest that has`() {
        #expect(Timestamp(microseconds: .max).description == "9999-12-31T23:59:59.999999Z")
        #expect(Timestamp(microseconds: .min).description == "0001-01-01T00:00:00.000000Z")
        #expect(Timestamp(unixSeconds: .max).microseconds == .max)
        #expect(Timestamp(unixSeconds: .min).microseconds == .min)
    }

    private func timestamp(_ text: String) -> Int64? {
        Timestamp(text.utf8Span.span)?.microseconds
    }

    private func short(_ timestamp: Timestamp) -> String {
        var buffer = ByteBuffer()
        timestamp.writeWithoutFraction(to: &buffer)
        return String(decoding: buffer)
    }
}
