import Gateway
import Reactor
import Testing

@Suite struct MetricsSnapshotBehaviour {
    private static func text(of snapshot: MetricsSnapshot) -> String {
        var buffer = ByteBuffer()
        snapshot.write(into: &buffer)
        return String(decoding: buffer)
    }

    private static func sum(
        _ texts: String..., adding part: MetricsSnapshot.Part = .all
    ) -> String {
        var sum = MetricsSnapshot()
        for text in texts { sum.add(MetricsSnapshot(text), part) }
        return Self.text(of: sum)
    }

    private static func counter(_ value: String) -> String {
        "# HELP a_total Things.\n# TYPE a_total counter\na_total \(value)\n"
    }

    @Test func `counters, gauges and each label's values are added`() {
        let first = """
            # HELP a_total Things.
            # TYPE a_total counter
            a_total{kind="x y"} 1
            a_total{kind="z"} 2
            # HELP b Things now.
            # TYPE b gauge
            b 3

            """
        let second = """
            # HELP a_total Things.
            # TYPE a_total counter
            a_total{kind="z"} 10
            a_total{kind="x y"} 20
            a_total{kind="new"} 30
            # HELP b Things now.
            # TYPE b gauge
            b 40

            """
        #expect(
            Self.sum(first, second) == """
                # HELP a_total Things.
                # TYPE a_total counter
                a_total{kind="x y"} 21
                a_total{kind="z"} 12
                a_total{kind="new"} 30
                # HELP b Things now.
                # TYPE b gauge
                b 43

                """)
    }

    @Test func `buckets of a histogram are added one by one`() {
        func histogram(_ bucket: Int, _ all: Int, _ sum: String) -> String {
            """
            # HELP h Seconds.
            # TYPE h histogram
            h_bucket{le="0.5"} \(bucket)
            h_bucket{le="+Inf"} \(all)
            h_sum \(sum)
            h_count \(all)

            """
        }
        #expect(
            Self.sum(histogram(1, 2, "1.75"), histogram(3, 5, "0.250000001"))
                == histogram(4, 7, "2.000000001"))
    }

    @Test(arguments: [
        ("0", "0", "0"), ("0.5", "0.5", "1"), ("0.999999999", "0.000000001", "1"),
        ("0.1", "0.2", "0.3"), ("18446744073709551615", "1", "0"), ("1.25", "2", "3.25"),
    ])
    func `sums are exact, decimal by decimal`(first: String, second: String, sum: String) {
        #expect(Self.sum(Self.counter(first), Self.counter(second)) == Self.counter(sum))
    }

    @Test(arguments: [
        "", "-1", "+1", "1.", ".5", "1.0000000001", "1e5", "NaN", "1.2.3", "1 2x",
        "18446744073709551616",
    ])
    func `a line whose value isn't such a number is passed over`(value: String) {
        #expect(!Self.sum(Self.counter(value)).contains("a_total \(value)\n"))
        #expect(Self.sum(Self.counter(value), Self.counter("3")) == Self.counter("3"))
    }

    @Test func `what is no figure at all is passed over`() {
        for text in ["", "\n\n", "nonsense", "a_total 1\n", "# \n# HELP\n# HELP x\n# TYPE x", "#"] {
            #expect(Self.sum(text).isEmpty, "\(text)")
        }
    }

    @Test func `the listener is up only if each worker's is, and the oldest start counts`() {
        func figures(_ up: Int, _ start: String) -> String {
            """
            # HELP devhive_listener_up Up.
            # TYPE devhive_listener_up gauge
            devhive_listener_up \(up)
            # HELP process_start_time_seconds Start.
            # TYPE process_start_time_seconds gauge
            process_start_time_seconds \(start)

            """
        }
        #expect(Self.sum(figures(1, "20.5"), figures(0, "20.25")) == figures(0, "20.25"))
        #expect(Self.sum(figures(1, "9"), figures(1, "10")) == figures(1, "9"))
    }

    @Test
    func `Redis is reached only if each worker reaches it, and the longest round trip counts`() {
        func text(_ up: String, _ seconds: String) -> String {
            """
            # HELP devhive_bus_carrier_up Up.
            # TYPE devhive_bus_carrier_up gauge
            devhive_bus_carrier_up \(up)
            # HELP devhive_bus_round_trip_seconds Time.
            # TYPE devhive_bus_round_trip_seconds gauge
            devhive_bus_round_trip_seconds \(seconds)

            """
        }
        #expect(Self.sum(text("1", "0.0005"), text("0", "0.002")) == text("0", "0.002"))
        #expect(Self.sum(text("1", "0.002"), text("1", "0.0005")) == text("1", "0.002"))
    }

    @Test func `the build's labels are there once, with 1`() {
        let info = """
            # HELP devhive_build_info Always 1.
            # TYPE devhive_build_info gauge
            devhive_build_info{version="1.2.3"} 1

            """
        #expect(Self.sum(info, info, info) == info)
    }

    @Test func `of a process that has ended only what grows is kept`() {
        let gauge = "# HELP b Now.\n# TYPE b gauge\nb 3\n"
        #expect(Self.sum(Self.counter("5") + gauge, adding: .counters) == Self.counter("5"))
        var sum = MetricsSnapshot(Self.counter("1") + gauge)
        sum.add(MetricsSnapshot(Self.counter("5") + gauge), .counters)
        #expect(Self.text(of: sum) == Self.counter("6") + gauge)
    }

    @Test func `everything that the gateway writes is read again, unchanged`() {
        var metrics = Metrics()
        metrics.deliveries = 7
        metrics.clientErrors[.badMessage] &+= 6
        metrics.loopTurn.observe(nanoseconds: 1_234_567)
        let figures = ProcessFigures(
            cpuNanoseconds: 1_500_000_000, residentBytes: 4_096, virtualBytes: 8_192,
            openDescriptors: 7, openDescriptorsMax: 1_024,
            startMicroseconds: 1_767_225_600_250_000)
        var buffer = ByteBuffer()
        MetricsWriter(version: "1.2.3").write(
            metrics, log: LogFigures(linesSuppressed: 3, linesDropped: 4), process: figures,
            into: &buffer)
        let written = String(decoding: buffer)
        let read = Self.text(of: MetricsSnapshot(written))
        // The families come in another order.
        #expect(written.split(separator: "\n").sorted() == read.split(separator: "\n").sorted())
    }
}
