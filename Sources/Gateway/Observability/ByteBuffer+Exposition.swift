internal import Reactor

/// The lines of Prometheus' text format. Values are whole numbers or decimal fractions, never in
/// binary floating point, so that what was counted is what is read.
extension ByteBuffer {
    mutating func header(_ name: StaticString, help: StaticString, _ type: StaticString) {
        append("# HELP ")
        append(name)
        append(UInt8(ascii: " "))
        append(help)
        append("\n# TYPE ")
        append(name)
        append(UInt8(ascii: " "))
        append(type)
        append(UInt8(ascii: "\n"))
    }

    mutating func gauge(_ name: StaticString, help: StaticString, _ value: UInt64) {
        header(name, help: help, "gauge")
        sample(name, value)
    }

    /// A duration, in seconds.
    mutating func gauge(_ name: StaticString, help: StaticString, nanoseconds: UInt64) {
        header(name, help: help, "gauge")
        append(name)
        append(UInt8(ascii: " "))
        append(seconds: 0, nanoseconds: nanoseconds)
        append(UInt8(ascii: "\n"))
    }

    mutating func counter(_ name: StaticString, help: StaticString, _ value: UInt64) {
        header(name, help: help, "counter")
        sample(name, value)
    }

    /// Every value of the label is written, also those at zero: a series that appears only with
    /// its first increment hides that increment from `rate()`.
    mutating func counter<Label>(
        _ name: StaticString, help: StaticString, label: StaticString,
        _ values: LabelledCounter<Label>
    ) {
        header(name, help: help, "counter")
        for value in Label.allCases {
            append(name)
            append(UInt8(ascii: "{"))
            append(label)
            append("=\"")
            append(value.text)
            append("\"} ")
            append(decimal: values[value])
            append(UInt8(ascii: "\n"))
        }
    }

    mutating func histogram<let count: Int>(
        _ name: StaticString, help: StaticString, _ histogram: Histogram<count>
    ) {
        header(name, help: help, "histogram")
        var sum: UInt64 = 0
        for index in 0..<count {
            sum &+= histogram.counts[index]
            append(name)
            append("_bucket{le=\"")
            append(seconds: 0, nanoseconds: histogram.boundsNanoseconds[index])
            append("\"} ")
            append(decimal: sum)
            append(UInt8(ascii: "\n"))
        }
        sum &+= histogram.overflowCount
        append(name)
        append("_bucket{le=\"+Inf\"} ")
        append(decimal: sum)
        append(UInt8(ascii: "\n"))
        append(name)
        append("_sum ")
        append(seconds: histogram.sumSeconds, nanoseconds: histogram.sumNanoseconds)
        append(UInt8(ascii: "\n"))
        append(name)
        append("_count ")
        append(decimal: sum)
        append(UInt8(ascii: "\n"))
    }

    private mutating func sample(_ name: StaticString, _ value: UInt64) {
        append(name)
        append(UInt8(ascii: " "))
        append(decimal: value)
        append(UInt8(ascii: "\n"))
    }

    /// A duration in seconds as a decimal fraction without trailing zeros: `0.00025`, `10`.
    /// `nanoseconds` may exceed a second.
    mutating func append(seconds: UInt64, nanoseconds: UInt64) {
        let (carry, fraction) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        append(decimal: seconds &+ carry)
        guard fraction > 0 else { return }
        append(UInt8(ascii: "."))
        var rest = fraction
        var unit: UInt64 = 100_000_000
        while rest > 0 {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / unit))
            rest %= unit
            unit /= 10
        }
    }

    /// A label's value: backslash, quote and line feed are escaped, nothing else.
    mutating func append(labelValue text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\n"): append("\\n")
            default: append(byte)
            }
        }
    }
}
