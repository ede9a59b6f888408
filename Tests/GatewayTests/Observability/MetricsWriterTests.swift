import Gateway
import Reactor
import Testing

@Suite struct MetricsWriterBehaviour {
    private static let process = ProcessFigures(
        cpuNanoseconds: 1_500_000_000, residentBytes: 4_096, virtualBytes: 8_192,
        openDescriptors: 7, openDescriptorsMax: 1_024, startMicroseconds: 1_767_225_600_250_000)

    private static func text(
        of metrics: borrowing Metrics, version: String = "1.2.3",
        process: ProcessFigures = process
    ) -> String {
        var buffer = ByteBuffer()
        MetricsWriter(version: version).write(
            metrics, log: LogFigures(linesSuppressed: 3, linesDropped: 4), process: process,
            into: &buffer)
        return String(decoding: buffer)
    }

    private static func lines(of metrics: borrowing Metrics) -> [Substring] {
        text(of: metrics).split(separator: "\n")
    }

    @Test
    func `of the way to other hosts all is written where there is one, and nothing elsewhere`() {
        var metrics = Metrics()
        #expect(!Self.text(of: metrics).contains("devhive_bus"))
        var carrier = CarrierFigures()
        carrier.isLive = true
        carrier.deafnesses = 1
        carrier.losses = 2
        carrier.framesDropped = 3
        carrier.roundTripNanoseconds = 250_000
        carrier.envelopes.unauthentic = 4
        carrier.envelopes.repeated = 5
        carrier.envelopes.unproven = 6
        carrier.envelopes.invalid = 7
        carrier.sentinelFaults = 8
        metrics.carrier = carrier
        let lines = Self.lines(of: metrics)
        for expected: Substring in [
            "devhive_bus_carrier_up 1", "devhive_bus_carrier_deaf_total 1",
            "devhive_bus_carrier_losses_total 2", "devhive_bus_carrier_frames_dropped_total 3",
            "devhive_bus_round_trip_seconds 0.00025",
            "devhive_bus_carrier_frames_unauthentic_total 4",
            "devhive_bus_carrier_frames_repeated_total 5",
            "devhive_bus_carrier_frames_unproven_total 6",
            "devhive_bus_carrier_frames_invalid_total 7",
            "devhive_bus_sentinel_faults_total 8",
        ] {
            #expect(lines.contains(expected), "\(expected)")
        }
    }

    @Test func `what was counted is what is written`() {
        var metrics = Metrics()
        metrics.presenceRefusedElsewhere = 8
        metrics.deliveries &+= 5
        metrics.connections = 2
        metrics.connectionsClosed[CloseLabel(closeCode: 4201)] &+= 1
        metrics.handshakesRefused[.unauthorized] &+= 9
        metrics.resyncs[.slowConsumer] &+= 8
        metrics.clientMessages[.joinProject] &+= 7
        metrics.clientErrors[.badMessage] &+= 6
        metrics.listenerIsUp = true
        let lines = Self.lines(of: metrics)
        for expected: Substring in [
            "devhive_deliveries_total 5", "devhive_connections 2",
            "devhive_connections_closed_total{code=\"4201\"} 1",
            "devhive_connections_closed_total{code=\"1000\"} 0",
            "devhive_handshakes_refused_total{reason=\"unauthorized\"} 9",
            "devhive_presence_refused_elsewhere_total 8",
            "devhive_resyncs_total{cause=\"slow_consumer\"} 8",
            "devhive_client_messages_total{type=\"join_project\"} 7",
            "devhive_client_errors_total{code=\"bad_message\"} 6",
            "devhive_listener_up 1", "devhive_build_info{version=\"1.2.3\"} 1",
            "devhive_log_lines_suppressed_total 3", "devhive_log_lines_dropped_total 4",
            "process_cpu_seconds_total 1.5", "process_resident_memory_bytes 4096",
            "process_open_fds 7", "process_max_fds 1024",
            "process_start_time_seconds 1767225600.25",
        ] {
            #expect(lines.contains(expected), "\(expected)")
        }
    }

    @Test func `each kind of a client's message is a series, also before the first one came`() {
        let lines = Self.lines(of: Metrics())
        let series = lines.filter { $0.hasPrefix("devhive_client_messages_total{") }
        #expect(
            series
                == [
                    "join_project", "leave_project", "init", "ping", "pong", "presence", "typing",
                    "direct", "ack", "inbox",
                    "unknown",
                ].map {
                    "devhive_client_messages_total{type=\"\($0)\"} 0"
                })
    }

    @Test func `histogram buckets are cumulative, in seconds, and end with +Inf`() {
        var metrics = Metrics()
        metrics.loopTurn.observe(nanoseconds: 10_000)
        metrics.loopTurn.observe(nanoseconds: 20_000)
        metrics.loopTurn.observe(nanoseconds: 2_000_000_000)
        let lines = Self.lines(of: metrics)
        let buckets = lines.filter { $0.hasPrefix("devhive_loop_turn_seconds_bucket") }
        #expect(buckets.count == 17)
        #expect(buckets.first == "devhive_loop_turn_seconds_bucket{le=\"0.00001\"} 1")
        #expect(buckets.dropFirst().first == "devhive_loop_turn_seconds_bucket{le=\"0.000025\"} 2")
        #expect(lines.contains("devhive_loop_turn_seconds_bucket{le=\"1\"} 2"))
        #expect(buckets.last == "devhive_loop_turn_seconds_bucket{le=\"+Inf\"} 3")
        #expect(lines.contains("devhive_loop_turn_seconds_sum 2.00003"))
        #expect(lines.contains("devhive_loop_turn_seconds_count 3"))
    }

    @Test func `every sample follows its family's HELP and TYPE, and each family comes once`() {
        var family = ""
        var type = ""
        var families: Set<String> = []
        for line in Self.lines(of: Metrics()) {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if line.hasPrefix("# HELP ") {
                family = words[2]
                #expect(families.insert(family).inserted, "\(family)")
                continue
            }
            if line.hasPrefix("# TYPE ") {
                #expect(words[2] == family)
                type = words[3]
                #expect(type == "counter" || type == "gauge" || type == "histogram")
                #expect((type == "counter") == family.hasSuffix("_total"), "\(family)")
                continue
            }
            let name = String(line.prefix { $0 != " " && $0 != "{" })
            let belongs =
                type == "histogram"
                ? ["_bucket", "_sum", "_count"].contains(String(name.dropFirst(family.count)))
                : name == family
            #expect(belongs, "\(line)")
        }
        #expect(families.count == 80)
    }

    @Test func `a version with quotes, backslashes and line feeds is escaped`() {
        let text = Self.text(of: Metrics(), version: "a\"b\\c\nd")
        #expect(text.contains("devhive_build_info{version=\"a\\\"b\\\\c\\nd\"} 1\n"))
    }

    @Test func `figures that the kernel doesn't give are left out`() {
        let unknown = ProcessFigures(
            cpuNanoseconds: 0, residentBytes: nil, virtualBytes: nil, openDescriptors: nil,
            openDescriptorsMax: nil, startMicroseconds: nil)
        let text = Self.text(of: Metrics(), process: unknown)
        #expect(text.contains("process_cpu_seconds_total 0\n"))
        #expect(!text.contains("process_open_fds"))
        #expect(!text.contains("process_start_time_seconds"))
    }

    @Test func `the largest figures are written in full`() {
        var metrics = Metrics()
        metrics.sentBytes = .max
        #expect(Self.lines(of: metrics).contains("devhive_sent_bytes_total 18446744073709551615"))
    }
}

@Suite struct CloseLabelBehaviour {
    @Test func `every named code is its own label, and all others are one`() {
        var named = 0
        for code in UInt16.min...UInt16.max {
            let label = CloseLabel(closeCode: code)
            if label == .other { continue }
            named += 1
            #expect("\(label.text)" == String(code))
        }
        #expect(named == CloseLabel.allCases.count - 1)
    }
}
