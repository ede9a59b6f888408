package import Reactor

/// An instant of UTC in microseconds since 1970, without leap seconds, as PostgreSQL and POSIX
/// count: what messages and tokens carry. (Deadlines use `Instant`, which doesn't jump.)
package struct Timestamp: Hashable, BitwiseCopyable, Sendable {
    package let microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Saturates instead of overflowing (292,000 years).
    package init(unixSeconds: Int64) {
        let (product, overflow) = unixSeconds.multipliedReportingOverflow(by: 1_000_000)
        self.microseconds = overflow ? (unixSeconds < 0 ? .min : .max) : product
    }

    /// Whole seconds since 1970.
    package var unixSeconds: Int64 {
        microseconds.flooredDivision(by: 1_000_000)
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS`, then optionally a point with one to six digits, then `Z`,
    /// `+HH:MM` or `-HH:MM`: the part of RFC 3339 §5.6 that PostgreSQL writes into JSON. `nil`
    /// for anything else, for days that don't exist and for a 60th second.
    ///
    /// Hot path.
    package init?(_ text: borrowing Span<UInt8>) {
        var reader = FieldReader()
        guard let year = reader.digits(4, of: text), year > 0,
            reader.skip("-", of: text), let month = reader.digits(2, of: text),
            reader.skip("-", of: text), let day = reader.digits(2, of: text),
            reader.skip("T", of: text), let hour = reader.digits(2, of: text), hour < 24,
            reader.skip(":", of: text), let minute = reader.digits(2, of: text), minute < 60,
            reader.skip(":", of: text), let second = reader.digits(2, of: text), second < 60,
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        guard let fraction = reader.fraction(of: text), let offset = reader.offset(of: text),
            reader.index == text.count
        else { return nil }
        let seconds = date.daysSince1970 * 86_400 + hour * 3_600 + minute * 60 + second - offset
        self.init(microseconds: seconds * 1_000_000 + fraction)  // Year 9999 has 18 digits.
    }

    /// Appends `YYYY-MM-DDTHH:MM:SS.ffffffZ`. Instants outside of the years 1 to 9999 become the
    /// nearest one inside.
    package func write(to buffer: inout ByteBuffer) {
        let value = Self.clamped(microseconds)
        Self.writeSeconds(value.flooredDivision(by: 1_000_000), to: &buffer)
        buffer.append(".")
        buffer.append(value.flooredRemainder(by: 1_000_000), digits: 6)
        buffer.append("Z")
    }

    /// Appends `YYYY-MM-DDTHH:MM:SSZ`, the fraction cut off.
    package func writeWithoutFraction(to buffer: inout ByteBuffer) {
        let value = Self.clamped(microseconds)
        Self.writeSeconds(value.flooredDivision(by: 1_000_000), to: &buffer)
        buffer.append("Z")
    }

    private static let firstMicrosecond: Int64 = -62_135_596_800_000_000  // 0001-01-01T00:00:00Z
    private static let lastMicrosecond: Int64 = 253_402_300_799_999_999  // 9999-12-31T23:59:59Z

    private static func clamped(_ microseconds: Int64) -> Int64 {
        min(max(microseconds, firstMicrosecond), lastMicrosecond)
    }

    private static func writeSeconds(_ seconds: Int64, to buffer: inout ByteBuffer) {
        let date = CivilDate(daysSince1970: seconds.flooredDivision(by: 86_400))
        let secondOfDay = seconds.flooredRemainder(by: 86_400)
        buffer.append(date.year, digits: 4)
        buffer.append("-")
        buffer.append(date.month, digits: 2)
        buffer.append("-")
        buffer.append(date.day, digits: 2)
        buffer.append("T")
        buffer.append(secondOfDay / 3_600, digits: 2)
        buffer.append(":")
        buffer.append(secondOfDay / 60 % 60, digits: 2)
        buffer.append(":")
        buffer.append(secondOfDay % 60, digits: 2)
    }
}

extension Timestamp: CustomStringConvertible {
    /// The form with microseconds; for logs and tests.
    package var description: String {
        var buffer = ByteBuffer(capacity: 27)
        write(to: &buffer)
        return String(decoding: buffer)
    }
}

/// A day of the proleptic Gregorian calendar.
///
/// The conversions count in years that begin in March, so that the leap day is a year's last, and
/// in eras of 400 years, after which the calendar repeats.
private struct CivilDate: BitwiseCopyable {
    var year: Int64
    var month: Int64
    var day: Int64

    private static let daysPerEra: Int64 = 146_097
    /// From the first of March of year 0 to 1970.
    private static let daysBefore1970: Int64 = 719_468

    /// `nil` for days that don't exist.
    init?(year: Int64, month: Int64, day: Int64) {
        guard (1...12).contains(month), day >= 1,
            day <= Self.dayCount(ofMonth: month, year: year)
        else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSince1970: Int64) {
        let days = daysSince1970 + Self.daysBefore1970
        let era = days.flooredDivision(by: Self.daysPerEra)
        let dayOfEra = days.flooredRemainder(by: Self.daysPerEra)
        // Take out the leap days of the era's 4, 100 and 400 years that are over.
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153  // Five months from March have 153 days.
        self.day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        self.month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        self.year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int64 {
        let yearFromMarch = month <= 2 ? year - 1 : year
        let era = yearFromMarch.flooredDivision(by: 400)
        let yearOfEra = yearFromMarch.flooredRemainder(by: 400)
        let monthFromMarch = month <= 2 ? month + 9 : month - 3
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * Self.daysPerEra + dayOfEra - Self.daysBefore1970
    }

    private static func dayCount(ofMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// Walks through the text of a timestamp, field by field.
private struct FieldReader: BitwiseCopyable {
    var index = 0

    /// The number that the next `count` bytes write in decimal; `nil` unless all are digits.
    mutating func digits(_ count: Int, of text: borrowing Span<UInt8>) -> Int64? {
        guard text.count - index >= count else { return nil }
        var value: Int64 = 0
        for offset in 0..<count {
            guard let digit = Self.value(ofDigit: text[index + offset]) else { return nil }
            value = value * 10 + digit
        }
        index += count
        return value
    }

    /// Whether the next byte is `character`; if so, it has been passed.
    mutating func skip(_ character: Unicode.Scalar, of text: borrowing Span<UInt8>) -> Bool {
        guard index < text.count, text[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    /// Microseconds behind the point, zero without one; `nil` for a point without digits and for
    /// more than six.
    mutating func fraction(of text: borrowing Span<UInt8>) -> Int64? {
        guard skip(".", of: text) else { return 0 }
        var value: Int64 = 0
        var count = 0
        while index < text.count, let digit = Self.value(ofDigit: text[index]) {
            guard count < 6 else { return nil }
            value = value * 10 + digit
            count += 1
            index += 1
        }
        guard count > 0 else { return nil }
        for _ in count..<6 { value *= 10 }
        return value
    }

    /// Seconds east of UTC.
    mutating func offset(of text: borrowing Span<UInt8>) -> Int64? {
        if skip("Z", of: text) { return 0 }
        let isEast = skip("+", of: text)
        guard isEast || skip("-", of: text) else { return nil }
        guard let hours = digits(2, of: text), hours < 24, skip(":", of: text),
            let minutes = digits(2, of: text), minutes < 60
        else { return nil }
        let seconds = hours * 3_600 + minutes * 60
        return isEast ? seconds : -seconds
    }

    private static func value(ofDigit character: UInt8) -> Int64? {
        guard character >= UInt8(ascii: "0"), character <= UInt8(ascii: "9") else { return nil }
        return Int64(character - UInt8(ascii: "0"))
    }
}

extension Int64 {
    /// Rounded towards minus infinity; `divisor` is positive.
    fileprivate func flooredDivision(by divisor: Int64) -> Int64 {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }

    /// From zero to below `divisor`, which is positive.
    fileprivate func flooredRemainder(by divisor: Int64) -> Int64 {
        let remainder = self % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }
}

extension ByteBuffer {
    /// Appends the last `digits` decimal digits of a number that isn't negative.
    fileprivate mutating func append(_ value: Int64, digits: Int) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }
}
