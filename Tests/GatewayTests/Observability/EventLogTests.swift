import Gateway
import Logging
import Reactor
import Testing

@Suite struct EventLogBehaviour {
    private static let now = Instant(nanoseconds: 1_000_000_000)
    private static let project = ProjectID(high: 1, low: 2)

    private static func log(
        to pipe: borrowing LinePipe, level: Logger.Level = .info, format: LogFormat = .text,
        limiter: LogLimiter = LogLimiter()
    ) -> EventLog {
        EventLog(
            format: format, level: level, output: pipe.output,
            limiter: limiter)
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func `a client's registration is a line with the total`() {
        let pipe = LinePipe()
        var log = Self.log(to: pipe)
        log.clientOpened(
            connection: 7, user: UserID(high: 0, low: 1), address: "127.0.0.1:5", total: 142,
            at: Self.now)
        let line = pipe.read()
        #expect(
            line.hasSuffix(
                "Z info client registered address=127.0.0.1:5 connection=7 total=142 "
                    + "user=00000000-0000-0000-0000-000000000001\n"))
    }

    @Test func `the loss of the bus is a warning, and the same one again only after a while`() {
        let pipe = LinePipe()
        var log = Self.log(to: pipe)
        for second in 0..<12 as Range<UInt64> {
            log.busLost(
                error: "Connection refused", advice: "start it", retryNanoseconds: 5_000_000,
                at: Self.now.advanced(byMilliseconds: second * 1_000))
        }
        let lines = pipe.read().split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[0].contains("Z warning bus lost advice="))
        #expect(lines[0].hasSuffix(#"error="Connection refused" retry_ms=5"#))
        #expect(lines[1].contains("suppressed=9"))
        log.busUp(at: "redis://host:6379", downNanoseconds: 2_000_000)
        let up = pipe.read()
        #expect(up.contains("notice bus up") && up.contains("down_ms=2"))
        #expect(!up.contains("primary") && !up.contains("asked_in_vain"))
        log.busUp(
            at: "redis+sentinel://a:1,b:2/name", primary: "c:3", inVain: "a:1: no answer in time",
            downNanoseconds: nil)
        let found = pipe.read()
        #expect(found.contains("primary=c:3"), "\(found)")
        #expect(found.contains(#"asked_in_vain="a:1: no answer in time""#), "\(found)")
    }

    /// There were seven lines a second of it, of two levels, and no advice in any.
    @Test func `a database that refuses connections is an error that says what to look for`() {
        let pipe = LinePipe()
        var log = Self.log(to: pipe)
        let loss = DatabaseLoss.refused("connection refused")
        for step in 0..<100 as Range<UInt64> {
            let now = Self.now.advanced(byMilliseconds: step * 100)
            log.listenerLost(
                error: loss.description, advice: loss.advice, retryNanoseconds: 5_000_000, at: now)
            log.queriesLost(error: loss.description, advice: loss.advice, at: now)
            log.readsLost(error: loss.description, advice: loss.advice, at: now)
        }
        let lines = pipe.lines()
        #expect(lines.count == 3, "one of each session")
        for (line, name) in zip(lines, ["listener", "query session", "read session"]) {
            #expect(line.contains("Z error \(name) lost advice=\"check that PostgreSQL runs"))
            #expect(line.contains(" error=\"\(loss.description)\""))
        }
        #expect(lines.first?.hasSuffix(" retry_ms=5") == true)
    }

    @Test func `a queue of notifications that fills up is a warning that says what to do`() {
        let pipe = LinePipe()
        var log = Self.log(to: pipe)
        log.queueFillsUp(percent: 51, at: Self.now)
        let line = pipe.read()
        #expect(line.contains("Z warning notification queue fills up advice="))
        #expect(line.contains(" percent=51"))
    }

    @Test(arguments: [
        ("25006", "primary"), ("42501", "doctor"), ("28P01", "password"), ("28000", "password"),
        ("3D000", "create it"), ("42P01", "migrate"), ("53300", "max_connections"),
    ])
    func `a statement that is refused says what to do about it`(sqlstate: String, advice: String) {
        let pipe = LinePipe()
        var log = Self.log(to: pipe)
        log.refused("canary", PostgresError(sqlstate: sqlstate, message: "no"), at: Self.now)
        let line = pipe.read()
        #expect(line.contains("Z warning statement refused advice="))
        #expect(line.contains(advice))
    }

    @Test(arguments: [LogFormat.text, .json])
    func `lines that nobody reads are dropped and counted, and reported when somebody does`(
        format: LogFormat
    ) {
        let pipe = LinePipe()
        let log = EventLog(format: format, level: .error, output: pipe.output, worker: 2)
        let error = String(repeating: "x", count: 2_000)
        while log.figures.linesDropped < 7 { log.failed("something", error: error) }
        for line in pipe.lines() { #expect(line.contains(error), "never half a line") }
        log.failed("something", error: "again")
        let lines = pipe.lines()
        #expect(lines.count == 2 && lines[0].contains("again"))
        #expect(
            lines[1].hasSuffix(
                format == .text
                    ? "warning log lines dropped dropped=7 worker=2"
                    : #""message":"log lines dropped","dropped":7,"worker":2}"#))
        log.failed("something", error: "once more")
        #expect(pipe.lines().count == 1, "they are reported once")
        #expect(log.figures.linesDropped == 7)
    }

    @Test func `metadata of the handler and of its provider is in each line`() {
        let pipe = LinePipe()
        var handler = StandardErrorLogHandler(
            format: .text, level: .info, output: pipe.output)
        handler[metadataKey: "worker"] = "3"
        handler.metadataProvider = Logger.MetadataProvider { ["region": "north"] }
        let kept = handler[metadataKey: "worker"]
        #expect(kept == "3")
        let made = handler
        Logger(label: "test") { _ in made }.info("hello", metadata: ["region": "south"])
        let line = pipe.read()
        #expect(line.hasSuffix("Z info hello region=south worker=3\n"))
    }

    @Test func `JSON lines hold numbers as numbers`() {
        let pipe = LinePipe()
        let log = Self.log(to: pipe, format: .json)
        log.listening(listener: "public", address: "127.0.0.1:8080")
        log.draining(connections: 3, seconds: 10)
        let lines = pipe.lines()
        #expect(lines.count == 2)
        #expect(
            lines.first?.hasSuffix(
                #""level":"info","message":"listening","address":"127.0.0.1:8080","#
                    + #""listener":"public"}"#) == true)
        #expect(
            lines.last?.hasSuffix(#""message":"draining","connections":3,"seconds":10}"#) == true)
    }

    @Test func `an address that isn't logged isn't made`() {
        let pipe = LinePipe()
        var log = Self.log(to: pipe, level: .warning)
        var isMade = false
        func address() -> String {
            isMade = true
            return "?"
        }
        log.clientOpened(connection: 1, user: nil, address: address(), total: 1, at: Self.now)
        let text = pipe.read()
        #expect(!isMade)
        #expect(text.isEmpty)
    }

    @Test func `broadcasts and payloads are lines at debug only`() {
        let payload = Self.bytes(#"{"resource":"tasks"}"#)
        for level in [Logger.Level.info, .debug] {
            let pipe = LinePipe()
            var log = Self.log(to: pipe, level: level)
            log.notificationReceived(payload: payload.span, at: Self.now)
            log.broadcast(project: Self.project, clients: 5, at: Self.now)
            let lines = pipe.lines()
            #expect(lines.count == (level == .debug ? 2 : 0))
            if level == .debug {
                #expect(
                    lines.first?.hasSuffix(#"payload="{\"resource\":\"tasks\"}""#) == true)
                #expect(
                    lines.last?.hasSuffix(
                        "debug broadcast clients=5 "
                            + "project=00000000-0000-0001-0000-000000000002 "
                            + "type=cache_invalidate") == true)
            }
        }
    }

    @Test func `suppressed lines are reported once a second, or by the next line`() {
        let pipe = LinePipe()
        var log = Self.log(to: pipe, limiter: LogLimiter(linesPerSecond: 1, burst: 1))
        log.reportSuppressed(at: Self.now)
        for _ in 0..<4 {
            log.badMessage(connection: 1, detail: "not JSON", byteCount: 9, at: Self.now)
        }
        log.reportSuppressed(at: Self.now.advanced(byMilliseconds: 999))
        let first = pipe.lines()
        #expect(first.count == 1)
        log.reportSuppressed(at: Self.now.advanced(byMilliseconds: 1_000))
        let report = pipe.read()
        #expect(report.hasSuffix("info log lines suppressed kind=bad_message suppressed=3\n"))
        log.reportSuppressed(at: Self.now.advanced(byMilliseconds: 2_000))
        let silence = pipe.read()
        #expect(silence.isEmpty)
        #expect(log.figures == LogFigures(linesSuppressed: 3, linesDropped: 0))
    }

    @Test func `of an unknown type 24 bytes are quoted, whatever they are`() {
        let pipe = LinePipe()
        var log = Self.log(to: pipe)
        var type = ByteBuffer(capacity: 32)
        for _ in 0..<25 { type.append(UInt8(0xFF)) }
        log.unknownType(connection: 1, type: type, at: Self.now)
        let line = pipe.read()
        let repaired = String(repeating: "\u{FFFD}", count: 24)
        #expect(line.hasSuffix("type=\(repaired)…\n"))
    }

    @Test func `a full pipe loses lines, counts them, and keeps nobody waiting`() {
        let pipe = LinePipe()
        let log = Self.log(to: pipe)
        let detail = String(repeating: "x", count: 3_000)
        for _ in 0..<100 { log.configurationWarning(detail) }
        let dropped = log.figures.linesDropped
        let lines = pipe.lines()
        #expect(dropped > 0)
        #expect(lines.count + Int(dropped) == 100)
        #expect(lines.allSatisfy { $0.hasSuffix("x") })
        log.configurationWarning("again")
        let after = pipe.lines()
        #expect(after.count == 2 && after[0].hasSuffix("detail=again"))
    }

    @Test func `every kind of line has a level and a name of its own`() {
        let names = Set(LogEventKind.allCases.map { "\($0.text)" })
        #expect(names.count == LogEventKind.count)
        #expect(LogEventKind.broadcast.level == .debug)
        #expect(LogEventKind.badNotification.level == .warning)
    }
}
