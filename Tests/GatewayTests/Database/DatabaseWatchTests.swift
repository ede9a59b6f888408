import Gateway
import Reactor
import Testing

@Suite struct DatabaseWatchBehaviour {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    private static func at(_ seconds: UInt64) -> Instant {
        start.advanced(byNanoseconds: seconds * 1_000_000_000)
    }

    private static func state(
        failures: UInt64 = 0, losses: UInt64 = 0, begin: UInt64 = 100, end: UInt64 = 100,
        writer: UInt64 = 0
    ) -> DatabaseState {
        DatabaseState(
            triggerFailures: failures, triggerLosses: losses, begin: Cursor(transaction: begin),
            end: Cursor(transaction: end), oldestWriterSeconds: writer)
    }

    @Test func `the first answer is what the next ones are compared with`() {
        var watch = DatabaseWatch()
        let first = watch.note(Self.state(failures: 7, losses: 3), Self.at(0))
        #expect(first == DatabaseWatch.Findings())
        #expect(watch.triggerFailures == 7 && watch.triggerLosses == 3)
        let failed = watch.note(Self.state(failures: 9, losses: 3), Self.at(5))
        #expect(failed.failures == 2 && !failed.needsResync)
        let reset = watch.note(Self.state(), Self.at(10))
        #expect(reset == DatabaseWatch.Findings())
        let again = watch.note(Self.state(failures: 1), Self.at(15))
        #expect(again.failures == 1)
    }

    @Test func `triggers that aren't what they were are a reason to look at the tables`() {
        var watch = DatabaseWatch()
        let looks = [7, 7, 8, 8, 7].enumerated().map { step, mark in
            watch.note(DatabaseState(triggersMark: mark), Self.at(UInt64(step) * 5)).needsLook
        }
        #expect(looks == [false, false, true, false, true])
    }

    @Test func `members' partitions that aren't what they were are a reason to look at members`() {
        var watch = DatabaseWatch()
        let looks = [7, 7, 0, 0, 9].enumerated().map { step, mark in
            watch.note(DatabaseState(membersMark: mark), Self.at(UInt64(step) * 5))
        }
        #expect(looks.map(\.needsRecheck) == [false, false, true, false, true])
        #expect(!looks.contains { $0.needsLook })
    }

    @Test func `a loss is a resync now, and one when those who wrote it have ended`() {
        var watch = DatabaseWatch()
        _ = watch.note(Self.state(), Self.at(0))
        let lost = watch.note(Self.state(losses: 1, begin: 100, end: 120), Self.at(5))
        #expect(lost.losses == 1 && lost.needsResync)
        let open = watch.note(Self.state(losses: 1, begin: 119, end: 130), Self.at(60))
        #expect(!open.needsResync)
        let ended = watch.note(Self.state(losses: 1, begin: 120, end: 130), Self.at(65))
        #expect(ended.needsResync && ended.losses == 0)
        let after = watch.note(Self.state(losses: 1, begin: 130, end: 130), Self.at(200))
        #expect(!after.needsResync)
    }

    @Test func `losses again and again are a resync now and then`() {
        var watch = DatabaseWatch()
        _ = watch.note(Self.state(), Self.at(0))
        var resyncs = 0
        for step in 1...24 as ClosedRange<UInt64> {
            let findings = watch.note(Self.state(losses: step, end: 200), Self.at(step * 5))
            if findings.needsResync { resyncs += 1 }
        }
        #expect(resyncs == 4)
        let last = watch.note(Self.state(losses: 24, begin: 200, end: 200), Self.at(160))
        #expect(last.needsResync)
    }

    @Test func `a cursor that stands is warned of now and then, though its holder isn't seen`() {
        var watch = DatabaseWatch()
        var warnings: [UInt64] = []
        for seconds in stride(from: 0, through: 1_800, by: 5) as StrideThrough<UInt64> {
            let findings = watch.note(Self.state(begin: 50, end: 100 + seconds), Self.at(seconds))
            if findings.warnsOfCursor { warnings.append(seconds) }
        }
        #expect(warnings == [600, 1_200, 1_800])
        #expect(watch.cursorAgeSeconds == 1_800 && watch.cursorLag == 1_850)
        _ = watch.note(Self.state(begin: 2_000, end: 2_000), Self.at(1_805))
        #expect(watch.cursorAgeSeconds == 0 && !watch.isCursorOld)
        let seen = watch.note(Self.state(begin: 2_000, end: 2_001, writer: 700), Self.at(1_810))
        #expect(seen.warnsOfCursor && watch.cursorAgeSeconds == 700)
    }

    @Test func `a snapshot whose ends are crossed has no lag`() {
        var watch = DatabaseWatch()
        _ = watch.note(Self.state(begin: .max, end: 0), Self.at(0))
        #expect(watch.cursorLag == 0)
    }
}

@Suite struct AnnouncedTablesBehaviour {
    private static func tables(_ marks: [(String, String?)]) -> AnnouncedTables {
        var tables = AnnouncedTables()
        for (name, mark) in marks { tables.add(name, mark: mark) }
        return tables
    }

    @Test func `a table whose triggers went or were switched is told apart from one that stayed`() {
        let first = Self.tables([("a", "1"), ("b", "2"), ("c", nil)])
        #expect(first.returned(since: AnnouncedTables()) == [] && first.silent == ["c"])
        let next = Self.tables([("a", "1"), ("b", nil), ("c", "3"), ("d", "4")])
        #expect(next.lost(since: first) == ["b"])
        #expect(next.returned(since: first) == ["c", "d"])
        let switched = Self.tables([("a", "1.5"), ("b", nil), ("c", "3"), ("d", "4")])
        #expect(switched.returned(since: next) == ["a"])
        let added = Self.tables([("a", "1.5"), ("b", nil), ("c", "3"), ("d", "4"), ("e", nil)])
        #expect(added.lost(since: switched) == ["e"])
    }
}
