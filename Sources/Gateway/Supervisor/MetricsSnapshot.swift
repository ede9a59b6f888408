package import Reactor

/// The figures of one process, or of several added up, as Prometheus' text format has them.
///
/// It reads what `MetricsWriter` writes, not everything that the format allows: values are decimal
/// numbers of at most nine digits behind the point, and a line that isn't one is passed over.
package struct MetricsSnapshot: Sendable {
    struct Family: Sendable {
        /// The lines that begin with `# HELP` and `# TYPE`.
        var header = ""
        var isGauge = false
        /// In the order in which they were read.
        var samples: [Sample] = []
        /// Where the sample of a name and labels stands.
        var positions: [String: Int] = [:]
    }

    struct Sample: Sendable {
        let series: String
        var value: Decimal
    }

    private var families: [Family] = []
    private var positions: [String: Int] = [:]

    package init() {}

    /// How figures of one name become one.
    enum Rule {
        case sum
        case least
        case greatest
        /// The first one stands for all.
        case first

        init(family: String) {
            switch family {
            // How many others a worker hears is the same for each, or less for one that doesn't hear all.
            case "devhive_bus_nodes": self = .least
            // 1 only if each worker listens to the database; the time of the oldest process, and of
            // the certificate that expires first; of the
            // database each worker tells the same.
            case "devhive_listener_up", "devhive_bus_carrier_up", "devhive_event_log_usable",
                "devhive_direct_usable",
                "process_start_time_seconds",
                "devhive_notification_queue_usage_ratio", "devhive_trigger_failures",
                "devhive_trigger_losses", "devhive_tables_silent",
                "devhive_cursor_lag_transactions", "devhive_cursor_age_seconds",
                "devhive_event_log_overdue_seconds",
                "devhive_tls_certificate_not_after_seconds":
                self = .least
            case "devhive_bus_round_trip_seconds": self = .greatest
            case "devhive_build_info": self = .first
            default: self = .sum
            }
        }
    }

    // MARK: Reading

    package init(_ text: String) {
        var current: Int?
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# ") {
                current = readHeader(line)
            } else if let current, let space = line.lastIndex(of: " "),
                let value = Decimal(line[line.index(after: space)...])
            {
                families[current].add(String(line[..<space]), value, .first)
            }
        }
    }

    /// `# HELP name …` or `# TYPE name type`. Returns the family's position.
    private mutating func readHeader(_ line: Substring) -> Int? {
        let words = line.split(separator: " ", maxSplits: 3)
        guard words.count == 4 else { return nil }
        let position = position(of: String(words[2]))
        families[position].header += line + "\n"
        if words[1] == "TYPE" { families[position].isGauge = words[3] == "gauge" }
        return position
    }

    private mutating func position(of family: String) -> Int {
        if let position = positions[family] { return position }
        families.append(Family())
        positions[family] = families.count - 1
        return families.count - 1
    }

    // MARK: Adding

    /// What is added of another process's figures.
    package enum Part: Sendable {
        case all
        /// Those that only grow. Of a process that has ended they still count: without it, sums
        /// would fall, which Prometheus takes for a restart and all that is left for new.
        case counters
    }

    package mutating func add(_ other: MetricsSnapshot, _ part: Part = .all) {
        for (name, otherPosition) in other.positions {
            let family = other.families[otherPosition]
            if part == .counters, family.isGauge { continue }
            let isNew = positions[name] == nil
            let position = position(of: name)
            if isNew {
                families[position].header = family.header
                families[position].isGauge = family.isGauge
            }
            let rule = Rule(family: name)
            for sample in family.samples {
                families[position].add(sample.series, sample.value, rule)
            }
        }
    }

    // MARK: Writing

    /// Writes the families by their names.
    package func write(into buffer: inout ByteBuffer) {
        for name in positions.keys.sorted() {
            guard let position = positions[name] else { continue }
            buffer.append(text: families[position].header)
            for sample in families[position].samples {
                buffer.append(text: sample.series)
                buffer.append(UInt8(ascii: " "))
                buffer.append(seconds: sample.value.whole, nanoseconds: sample.value.billionths)
                buffer.append(UInt8(ascii: "\n"))
            }
        }
    }

    /// A decimal fraction, so that what was counted is what is read.
    struct Decimal: Comparable, Sendable {
        var whole: UInt64
        /// Under 10⁹.
        var billionths: UInt64

        /// Digits, and at most nine behind a point. Everything that is counted here is positive.
        init?(_ text: Substring) {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            // UInt64(_:) would also take a sign.
            guard parts.count <= 2, parts.allSatisfy({ $0.utf8.first.map(ASCII.isDigit) ?? false }),
                let whole = UInt64(parts[0])
            else { return nil }
            self.whole = whole
            billionths = 0
            guard parts.count == 2 else { return }
            let digits = parts[1] + String(repeating: "0", count: max(0, 9 - parts[1].count))
            guard digits.utf8.count == 9, let fraction = UInt64(digits) else { return nil }
            billionths = fraction
        }

        static func < (left: Decimal, right: Decimal) -> Bool {
            (left.whole, left.billionths) < (right.whole, right.billionths)
        }

        mutating func add(_ other: Decimal) {
            // Under 2·10⁹ before the carry is taken. Wholes wrap after 2⁶⁴, as the counters do.
            let sum = billionths + other.billionths
            whole &+= other.whole &+ sum / 1_000_000_000
            billionths = sum % 1_000_000_000
        }
    }
}

extension MetricsSnapshot.Family {
    mutating func add(
        _ series: String, _ value: MetricsSnapshot.Decimal, _ rule: MetricsSnapshot.Rule
    ) {
        guard let position = positions[series] else {
            positions[series] = samples.count
            samples.append(MetricsSnapshot.Sample(series: series, value: value))
            return
        }
        switch rule {
        case .sum: samples[position].value.add(value)
        case .least: samples[position].value = min(samples[position].value, value)
        case .greatest: samples[position].value = max(samples[position].value, value)
        case .first: break
        }
    }
}
