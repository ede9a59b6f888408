import Gateway
import Reactor
import Testing

@Suite struct WorkerAnswerBehaviour {
    private static func answer(_ text: String) -> WorkerAnswer? {
        WorkerAnswer(Array(text.utf8))
    }

    private static let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nab\nc\n"

    @Test func `status and body are read`() throws {
        let good = try #require(Self.answer(Self.whole))
        #expect(good.isOK && good.body == "ab\nc\n")
        let bad = try #require(
            Self.answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
        #expect(!bad.isOK && bad.body.isEmpty)
    }

    @Test func `an answer that was cut anywhere is none`() {
        let bytes = Array(Self.whole.utf8)
        for count in bytes.indices { #expect(WorkerAnswer(Array(bytes[..<count])) == nil) }
        #expect(WorkerAnswer(bytes) != nil)
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
    ])
    func `an answer whose length isn't right is none`(text: String) {
        #expect(Self.answer(text) == nil)
    }
}

@Suite struct HealthReportBehaviour {
    private static func answer(_ status: String, _ body: String) -> HealthReport.Finding {
        let text = "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        return WorkerAnswer(Array(text.utf8)).map { .answered($0) } ?? .silent
    }

    private static let ready = answer("200 OK", "[+] listener is live\nready\n")
    private static let notReady = answer(
        "503 Service Unavailable", "[-] listener is not live\nnot ready\n")
    private static let live = answer("200 OK", "ok\n")

    private static func report(
        _ question: Question, _ findings: [HealthReport.Finding], isFinishing: Bool = false
    ) -> HealthReport {
        var report = HealthReport(question: question, isFinishing: isFinishing)
        for finding in findings { report.add(finding) }
        return report
    }

    @Test func `ready only if all workers are`() {
        #expect(Self.report(.ready, [Self.ready, Self.ready]).isGood)
        for other in [Self.notReady, .down, .starting, .silent] {
            #expect(!Self.report(.ready, [Self.ready, other]).isGood)
            #expect(!Self.report(.ready, [other, Self.ready]).isGood)
        }
        #expect(!Self.report(.ready, [Self.ready], isFinishing: true).isGood)
    }

    @Test func `live unless one that runs doesn't answer`() {
        let findings: [HealthReport.Finding] = [Self.live, .down, .starting]
        #expect(Self.report(.live, findings).isGood)
        #expect(Self.report(.live, findings, isFinishing: true).isGood)
        #expect(!Self.report(.live, findings + [.silent]).isGood)
    }

    @Test func `only one that ran and was waited for in vain is silent`() throws {
        let now = Clock.monotonic()
        let answer = try #require(
            WorkerAnswer(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)))
        let findings: [(WorkerReply, HealthReport.Finding)] = [
            (.unasked, .starting), (.ended, .down), (.awaited, .silent),
            (.answered(answer), .answered(answer)),
        ]
        for (reply, finding) in findings {
            #expect(HealthReport.Finding(.running(since: now), reply) == finding)
            #expect(HealthReport.Finding(.starting(since: now), reply) == .starting)
            #expect(HealthReport.Finding(.waiting(until: now), reply) == .down)
            #expect(HealthReport.Finding(.over, reply) == .down)
        }
    }

    @Test func `the long form lists each worker and what it said`() {
        let report = Self.report(.ready, [Self.ready, Self.notReady, .down, .starting, .silent])
        #expect(
            report.text(isVerbose: true) == """
                [+] worker 1 is ready
                    [+] listener is live
                [-] worker 2 is not ready
                    [-] listener is not live
                [-] worker 3 is not there
                [-] worker 4 is starting
                [-] worker 5 does not answer
                not ready

                """)
        #expect(report.text(isVerbose: false) == "not ready\n")
        #expect(Self.report(.live, [Self.live]).text(isVerbose: false) == "ok\n")
    }
}
