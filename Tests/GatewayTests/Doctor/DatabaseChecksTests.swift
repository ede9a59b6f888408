import Gateway
import Testing

@Suite struct DatabaseChecksBehaviour {
    private typealias Verdict = Finding.Verdict

    @Test(arguments: [(130_020, Verdict.failure), (140_000, .ok), (150_004, .ok)])
    func `PostgreSQL 14 or newer is needed`(version: Int, verdict: Finding.Verdict) {
        #expect(DatabaseChecks.version(version).verdict == verdict)
    }

    @Test func `versions are written as PostgreSQL writes them`() {
        #expect(DatabaseChecks.version(150_004).fact == "version 15.4")
    }

    @Test(
        arguments: [
            (true, 299, .ok, ""), (false, 300, .warning, "end it"),
            (true, 300, .warning, "COMMIT PREPARED or ROLLBACK PREPARED it in its database"),
        ] as [(Bool, Int, Finding.Verdict, String)])
    func `a transaction that writes for five minutes is warned of`(
        isPrepared: Bool, seconds: Int, verdict: Finding.Verdict, advice: String
    ) {
        let finding = DatabaseChecks.oldestWriter("it", isPrepared: isPrepared, seconds: seconds)
        #expect(finding.verdict == verdict)
        #expect(finding.fact.hasPrefix("it, since \(seconds) s"))
        #expect(finding.fact.contains("nobody can resume") == (verdict == .warning))
        #expect(finding.advice == advice)
    }

    @Test func `what a role may not see of a transaction is not called young`() {
        let none = DatabaseChecks.oldestWriter(nil, isPrepared: false, seconds: nil)
        #expect(none == .ok("oldest transaction that writes", "none that this role may see"))
        let hidden = DatabaseChecks.oldestWriter("it", isPrepared: false, seconds: nil)
        #expect(hidden.fact.hasPrefix("it: since when, a role without pg_read_all_stats"))
    }

    @Test func `a standby will not do`() {
        #expect(DatabaseChecks.standby(isInRecovery: true).verdict == .failure)
        #expect(DatabaseChecks.standby(isInRecovery: false).verdict == .ok)
    }

    @Test func `a notification that doesn't come back is a failure, and a pooler is named`() {
        let heard = DatabaseChecks.RoundTrip.heard(microseconds: 1_500)
        #expect(DatabaseChecks.roundTrip(heard, isPooled: false).verdict == .ok)
        #expect(DatabaseChecks.roundTrip(heard, isPooled: true).verdict == .warning)
        let lost = DatabaseChecks.roundTrip(.lost, isPooled: false)
        let pooled = DatabaseChecks.roundTrip(.lost, isPooled: true)
        #expect(lost.verdict == .failure && !lost.fact.contains("pooler"))
        #expect(pooled.verdict == .failure && pooled.fact.contains("transaction mode"))
    }

    /// INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32.
    @Test(arguments: [
        (60, 0, Verdict.ok), (60, 60, .ok), (28, 0, .warning), (0, 0, .failure),
        (56, 0, .failure), (44, 0, .failure), (52, 0, .failure), (28, 32, .failure),
        (0, 60, .failure), (32, 28, .failure),
    ])
    func `triggers have to fire on every event`(
        enabled: Int, disabled: Int, verdict: Finding.Verdict
    ) {
        let finding = DatabaseChecks.triggers(
            .init(table: "tasks", exists: true, enabled: enabled, disabled: disabled),
            isRecorded: false)
        #expect(finding.verdict == verdict)
        let isDisabled = ~enabled & disabled & 60 != 0
        #expect(finding.advice.contains("ENABLE TRIGGER") == isDisabled)
    }

    @Test func `what is missing is named`() {
        let some = DatabaseChecks.triggers(
            .init(table: "tasks", exists: true, enabled: 4, disabled: 0),
            isRecorded: false)
        #expect(some.fact == "none for UPDATE, DELETE, TRUNCATE")
        let none = DatabaseChecks.triggers(
            .init(table: "tasks", exists: false, enabled: 0, disabled: 0),
            isRecorded: false)
        #expect(none.verdict == .failure && none.fact == "the table isn't there")
    }

    @Test(arguments: [(false, "migrate"), (true, "migrate --again")])
    func `what was recorded and is gone has to be applied again`(isRecorded: Bool, advice: String) {
        for enabled in [0, 4, 28] {
            let finding = DatabaseChecks.triggers(
                .init(table: "tasks", exists: true, enabled: enabled, disabled: 0),
                isRecorded: isRecorded)
            #expect(finding.advice == "run devhive-gateway \(advice)")
        }
        let table = DatabaseChecks.triggers(
            .init(table: "tasks", exists: false, enabled: 0, disabled: 0), isRecorded: isRecorded)
        #expect(table.advice == "run devhive-gateway \(advice)")
        let log = DatabaseChecks.eventLog(
            .init(isInstalled: false, mayRead: false, mayPrune: false), isRecorded: isRecorded)
        #expect(log.advice == "run devhive-gateway \(advice), or leave it so")
    }

    @Test func `a role may do what is needed and no more`() {
        func verdict(
            isSuperuser: Bool, readsMembers: Bool, seesSomeMembers: Bool = false,
            checksMembership: Bool = true
        ) -> Finding.Verdict {
            DatabaseChecks.role(
                .init(
                    name: "r", isSuperuser: isSuperuser, readsMembers: readsMembers,
                    seesSomeMembers: seesSomeMembers),
                checksMembership: checksMembership
            ).verdict
        }
        #expect(verdict(isSuperuser: false, readsMembers: true) == .ok)
        #expect(verdict(isSuperuser: true, readsMembers: true) == .warning)
        #expect(verdict(isSuperuser: false, readsMembers: false) == .failure)
        let unasked = verdict(isSuperuser: false, readsMembers: false, checksMembership: false)
        #expect(unasked == .ok)
        #expect(verdict(isSuperuser: false, readsMembers: true, seesSomeMembers: true) == .warning)
        let filtered = verdict(
            isSuperuser: false, readsMembers: true, seesSomeMembers: true, checksMembership: false)
        #expect(filtered == .ok)
    }

    @Test(arguments: [(1, 3, Verdict.ok), (1, 2, .failure), (4, 11, .failure), (4, 12, .ok)])
    func `each process needs three sessions`(workers: Int, free: Int, verdict: Finding.Verdict) {
        #expect(DatabaseChecks.sessions(free: free, workers: workers).verdict == verdict)
    }

    @Test(arguments: [(1, 4, Verdict.ok), (1, 3, .failure), (2, 8, .ok), (2, 7, .failure)])
    func `where gateways meet in the database each process needs one more`(
        workers: Int, free: Int, verdict: Finding.Verdict
    ) {
        let finding = DatabaseChecks.sessions(free: free, workers: workers, meetsOthers: true)
        #expect(finding.verdict == verdict)
    }

    @Test(arguments: [
        (Int64(0), Verdict.ok), (1_000_999, .ok), (1_001_000, .warning), (-1_000_999, .ok),
        (-1_001_000, .warning), (.min, .warning), (.max, .warning),
    ])
    func `clocks may differ by a second`(microseconds: Int64, verdict: Finding.Verdict) {
        let finding = DatabaseChecks.clock(aheadBy: microseconds, uncertainty: 500)
        #expect(finding.verdict == verdict)
    }

    @Test func `the direction of the clock's error is told`() {
        let behind = DatabaseChecks.clock(aheadBy: -5_000, uncertainty: 1_000)
        #expect(behind.fact == "the database's is 5 ms behind ours, give or take 1 ms")
        let ahead = DatabaseChecks.clock(aheadBy: 5_000, uncertainty: 1_000)
        #expect(ahead.fact == "the database's is 5 ms ahead of ours, give or take 1 ms")
    }

    @Test(arguments: [
        (0, Verdict.ok), (299, .ok), (300, .warning), (699, .warning), (700, .failure),
        (1_000, .failure),
    ])
    func `a queue that fills is told before writers fail`(
        permille: Int, verdict: Finding.Verdict
    ) {
        #expect(DatabaseChecks.queue(permille: permille).verdict == verdict)
    }

    @Test func `direct messages are nobody's failure`() {
        for state in [EventLogState.usable, .unknown, .absent] {
            #expect(DatabaseChecks.directMessages(state).verdict == .ok)
        }
        for state in [EventLogState.forbidden, .hidden, .unlogged] {
            let finding = DatabaseChecks.directMessages(state)
            #expect(finding.verdict == .warning)
            #expect(finding.advice.contains("devhive_direct_messages"))
        }
    }

    @Test func `an event log is judged by what the role may do with it`() {
        func verdict(_ installed: Bool, _ read: Bool, _ prune: Bool) -> Finding.Verdict {
            DatabaseChecks.eventLog(
                DatabaseChecks.EventLogFacts(
                    isInstalled: installed, mayRead: read, mayPrune: prune),
                isRecorded: false
            ).verdict
        }
        #expect(verdict(true, true, true) == .ok)
        #expect(verdict(true, true, false) == .warning)
        #expect(verdict(true, false, true) == .failure)
        #expect(verdict(false, false, false) == .warning)
    }

    @Test func `a finding is one line that begins with its verdict`() {
        #expect("\(Finding.ok("a", "b"))" == "ok    a: b")
        #expect("\(Finding.warning("a", "b", "c"))" == "warn  a: b; c")
        #expect("\(Finding.failure("a", "b", "c"))" == "FAIL  a: b; c")
    }

    @Test(arguments: [
        (4, Finding.Verdict.ok), (64, .ok), (65, .failure), (256, .failure), (257, .failure),
    ])
    func `more tables than a resync names are a failure that says how many`(
        total: Int, verdict: Finding.Verdict
    ) {
        let finding = DatabaseChecks.tables(total)
        #expect(finding.verdict == verdict)
        #expect(finding.fact.hasPrefix("\(total), "))
        #expect(finding.fact.contains("not looked at") == (total > 256))
    }

    @Test func `nobody can resume while a trigger is disabled of a table that is looked at`() {
        let seen = DatabaseChecks.otherTriggers(disabled: ["docs (changes)"])
        #expect(
            seen.fact.hasSuffix("nobody is told of all that changes there, and nobody can resume"))
        let unseen = DatabaseChecks.otherTriggers(disabled: ["docs (changes)"], areSeen: false)
        #expect(unseen.fact.hasSuffix("nobody is told of all that changes there"))
    }

    @Test func `what the database says makes no line of its own`() {
        let finding = Finding.warning("table \"a\nok  b\"", "it is \u{202E}UNLOGGED", "\u{1B}[2J")
        #expect(finding.description == #"warn  table "a\nok  b": it is \u202eUNLOGGED; \u001b[2J"#)
    }
}
