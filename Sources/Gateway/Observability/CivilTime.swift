internal import Reactor

/// The log's time stamps: UTC, RFC 3339, milliseconds.
enum CivilTime {
    /// Writes `2026-01-02T03:04:05.678Z`. `microseconds` since 1970; years 0 to 9999.
    static func write(microseconds: Int64, to buffer: inout ByteBuffer) {
        // Whole days and the rest of the day, rounded down also before 1970.
        let dayMicroseconds: Int64 = 86_400_000_000
        var days = microseconds / dayMicroseconds
        var rest = microseconds % dayMicroseconds
        if rest < 0 {
            rest += dayMicroseconds
            days -= 1
        }
        let (year, month, day) = date(daysSince1970: days)
        write(year, digits: 4, to: &buffer)
        buffer.append(UInt8(ascii: "-"))
        write(month, digits: 2, to: &buffer)
        buffer.append(UInt8(ascii: "-"))
        write(day, digits: 2, to: &buffer)
        buffer.append(UInt8(ascii: "T"))
        write(rest / 3_600_000_000, digits: 2, to: &buffer)
        buffer.append(UInt8(ascii: ":"))
        write(rest / 60_000_000 % 60, digits: 2, to: &buffer)
        buffer.append(UInt8(ascii: ":"))
        write(rest / 1_000_000 % 60, digits: 2, to: &buffer)
        buffer.append(UInt8(ascii: "."))
        write(rest / 1_000 % 1_000, digits: 3, to: &buffer)
        buffer.append(UInt8(ascii: "Z"))
    }

    /// The Gregorian date, by counting in eras of 400 years (146,097 days) that begin on a 1st of
    /// March, so that the leap day comes last in its year.
    private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468  // Days from 0000-03-01 to 1970-01-01.
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func write(_ value: Int64, digits: Int, to buffer: inout ByteBuffer) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            buffer.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }
}
