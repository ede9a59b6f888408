internal import Gateway
internal import Reactor

/// What a run has found.
struct RunResult {
    struct Figure {
        let name: String
        let value: Double
        let unit: String
    }

    let scenario: String
    var parameters: [(name: String, value: Double)] = []
    var figures: [Figure] = []
    var histograms: [(name: String, histogram: LatencyHistogram)] = []
    /// Why the figures don't count; empty when they do.
    var failures: [String] = []
    /// What is to be known about the figures.
    var notes: [String] = []
    var isLoaderBound = false

    init(scenario: String) {
        self.scenario = scenario
    }

    mutating func add(_ name: String, _ value: Double, _ unit: String) {
        figures.append(Figure(name: name, value: value, unit: unit))
    }

    func value(of name: String) -> Double? {
        figures.first { $0.name == name }?.value
    }

    /// Adds quantiles of `histogram` in microseconds, or in milliseconds.
    mutating func add(_ name: String, _ histogram: LatencyHistogram, milliseconds: Bool = false) {
        guard histogram.total > 0 else { return }
        let divisor = milliseconds ? 1e6 : 1e3
        let unit = milliseconds ? "ms" : "us"
        for (label, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            add("\(name)_\(label)", Double(histogram.quantile(share)) / divisor, unit)
        }
        add("\(name)_max", Double(histogram.maximum) / divisor, unit)
        histograms.append((name, histogram))
    }

    // MARK: Output

    /// For people.
    var table: String {
        var lines = [
            "scenario \(scenario)  "
                + parameters.map { "\($0.name)=\(Self.text($0.value))" }.joined(separator: "  ")
        ]
        for failure in failures { lines.append("  FAILED: \(failure)") }
        for note in notes { lines.append("  note: \(note)") }
        if failures.isEmpty {
            for figure in figures {
                let label = figure.name.padded(to: 34)
                lines.append("  \(label) \(Self.text(figure.value)) \(figure.unit)")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// For programs: one line.
    var json: String {
        let parameters = parameters.map { "\"\($0.name)\":\(Self.text($0.value))" }
        let figures = failures.isEmpty ? figures : []
        let values = figures.map {
            "\"\($0.name)\":{\"value\":\(Self.text($0.value)),\"unit\":\"\($0.unit)\"}"
        }
        let buckets = histograms.map { name, histogram in
            let pairs = (0..<LatencyHistogram.bucketCount).filter { histogram.counts[$0] > 0 }
                .map { "[\(LatencyHistogram.upperBound(of: $0)),\(histogram.counts[$0])]" }
            return "\"\(name)\":[\(pairs.joined(separator: ","))]"
        }
        return "{\"scenario\":\"\(scenario)\","
            + "\"parameters\":{\(parameters.joined(separator: ","))},"
            + "\"failures\":[\(failures.map(Self.quoted).joined(separator: ","))],"
            + "\"notes\":[\(notes.map(Self.quoted).joined(separator: ","))],"
            + "\"loader_bound\":\(isLoaderBound),"
            + "\"figures\":{\(values.joined(separator: ","))},"
            + "\"histograms_ns\":{\(failures.isEmpty ? buckets.joined(separator: ",") : "")}}"
    }

    /// At most three decimals, without an exponent.
    private static func text(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let scaled = Int64((abs(value) * 1_000).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        let decimals = scaled % 1_000
        guard decimals > 0 else { return "\(sign)\(scaled / 1_000)" }
        var digits = String(decimals + 1_000).dropFirst()
        while digits.last == "0" { digits = digits.dropLast() }
        return "\(sign)\(scaled / 1_000).\(digits)"
    }

    private static func quoted(_ text: String) -> String {
        var buffer = ByteBuffer()
        JSONString.write(text.utf8Span.span, into: &buffer)
        return String(decoding: buffer)
    }
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
