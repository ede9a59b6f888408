import Gateway
import Reactor
import Testing

/// The table of reads beside two dictionaries, without the lists that make it fast.
struct ReadTableModel: ~Copyable {
    private struct Wait {
        let client: Int
        let from: UInt64
        let deadline: UInt64
        var isUnverified: Bool
    }

    private struct Read {
        var since: UInt64
        var waits: [Wait] = []
        var isForAudience = false
        var frameCount = 0
        var isAnswered = false
    }

    private static let clientCount = 20
    private static let projectCount = 5

    private var table = ReadTable()
    private var asked: [Int: Read] = [:]
    private var wanted: [Int: Read] = [:]
    /// The statements under way.
    private var statements: [(number: UInt64, projects: [Int])] = []
    private var random: WebSocketTesting.Random
    private var time: UInt64 = 0

    init(seed: UInt64) {
        random = WebSocketTesting.Random(seed: seed)
    }

    mutating func step() {
        time += 1
        let project = random.below(Self.projectCount)
        switch random.below(28) {
        case 0..<7: add(project)
        case 7: addAudience(project)
        case 8, 9: remove(random.below(Self.clientCount), from: project)
        case 10: removeAll(of: random.below(Self.clientCount))
        case 11..<14: ask()
        case 14..<17: answer()
        case 17: keep(project)
        case 18: askAgain(project)
        case 19 where random.below(3) == 0: askAllAgain()
        case 20: unverify(project)
        case 21: removeExpired()
        case 22 where random.below(4) == 0: dropAudiences()
        case 23 where random.below(20) == 0: answerAll()
        case 24..<28: giveSome(upTo: 3)
        default: break
        }
        compare()
    }

    /// Everything is asked and answered.
    mutating func finish() {
        repeat {
            while !statements.isEmpty { answer() }
            while table.hasAnswered { giveSome(upTo: .max) }
            ask()
        } while !asked.isEmpty || !wanted.isEmpty
        compare()
        #expect(table.isEmpty && table.waiterCount == 0 && table.audienceCount == 0)
    }

    // MARK: Wanting

    private mutating func want(_ project: Int, since: UInt64) {
        wanted[project, default: Read(since: since)].since = min(
            wanted[project]?.since ?? since, since)
    }

    private mutating func add(_ project: Int) {
        let client = random.below(Self.clientCount)
        // Whoever waits already waits once: see `History.resume`.
        remove(client, from: project)
        let wait = Wait(
            client: client, from: UInt64(random.below(10)),
            deadline: time + UInt64(random.below(200)), isUnverified: random.below(5) == 0)
        let isAdded = table.add(
            HistoryTesting.waiter(
                client, from: wait.from, deadline: wait.deadline,
                isUnverified: wait.isUnverified),
            for: HistoryTesting.project(project))
        #expect(isAdded)
        if let under = asked[project], !under.isAnswered, under.since <= wait.from,
            under.frameCount <= Limits.segmentFramesMax
        {
            asked[project]?.waits.append(wait)
        } else {
            want(project, since: wait.from)
            wanted[project]?.waits.append(wait)
        }
    }

    private mutating func addAudience(_ project: Int) {
        let since = UInt64(random.below(10))
        table.addAudience(
            of: HistoryTesting.project(project), since: Cursor(transaction: since))
        want(project, since: since)
        wanted[project]?.isForAudience = true
    }

    // MARK: Asking

    private mutating func ask() {
        let ready = Set(wanted.keys).subtracting(asked.keys)
        let reads = table.ask()
        #expect(Set(reads?.projects ?? []) == Set(ready.map(HistoryTesting.project)))
        guard let reads else { return }
        for project in ready { asked[project] = wanted.removeValue(forKey: project) }
        statements.append(
            (reads.statement, reads.projects.map { Int($0.low) }))
        #expect(table.projectCount(of: reads.statement) == ready.count)
    }

    /// The first statement is answered, or has failed.
    private mutating func answer() {
        guard !statements.isEmpty else { return }
        let statement = statements.removeFirst()
        let projects = table.removeStatement(statement.number)
        #expect(projects == statement.projects.map(HistoryTesting.project))
        let hasFailed = random.below(4) == 0
        for project in statement.projects where asked[project]?.isAnswered == false {
            if hasFailed { askAgain(project) } else { give(project) }
        }
    }

    private mutating func give(_ project: Int) {
        guard let read = table.take(HistoryTesting.project(project)) else {
            Issue.record("a read that was asked isn't there")
            return
        }
        #expect(read.since.transaction == asked[project]?.since)
        #expect(read.isForAudience == asked[project]?.isForAudience)
        asked[project]?.isForAudience = false
        if table.dropUnlessAwaited(read) {
            #expect(asked[project]?.waits.isEmpty == true)
            asked[project] = nil
        } else {
            table.give(ReadAnswer(resync: .cursorExpired), of: read)
            asked[project]?.isAnswered = true
        }
    }

    /// Some of those get it who wait for the read that was answered first.
    private mutating func giveSome(upTo most: Int) {
        guard let read = table.firstAnswered else { return }
        let project = Int(read.project.low)
        #expect(asked[project]?.isAnswered == true)
        for _ in 0..<most {
            let waiter = table.removeFirstWaiter(of: read)
            let wait = asked[project]?.waits.first
            #expect(waiter?.client == wait.map { HistoryTesting.client($0.client) })
            #expect(waiter?.isUnverified == wait?.isUnverified)
            guard wait != nil else {
                _ = table.finishFirstAnswered()
                asked[project] = nil
                return
            }
            asked[project]?.waits.removeFirst()
        }
    }

    private mutating func keep(_ project: Int) {
        let isMany = random.below(4) == 0
        var frame = ByteBuffer()
        frame.append("f")
        for _ in 0..<(isMany ? Limits.segmentFramesMax : 1) {
            table.keep(frame, of: HistoryTesting.project(project))
            asked[project]?.frameCount += 1
        }
    }

    private mutating func askAgain(_ project: Int) {
        guard asked[project]?.isAnswered != true else { return }
        table.askAgain(HistoryTesting.project(project))
        wantAgain(project)
    }

    private mutating func askAllAgain() {
        _ = table.askAllAgain()
        for statement in statements {
            let projects = table.removeStatement(statement.number)
            #expect(projects == nil, "a late answer is known as one")
        }
        statements = []
        for project in Array(asked.keys) { wantAgain(project) }
    }

    private mutating func wantAgain(_ project: Int) {
        guard var read = asked.removeValue(forKey: project) else { return }
        read.frameCount = 0
        read.isAnswered = false
        if let later = wanted[project] {
            read.since = min(read.since, later.since)
            read.waits += later.waits
            read.isForAudience = read.isForAudience || later.isForAudience
        }
        wanted[project] = read
    }

    // MARK: Going

    private mutating func dropIfUnwanted(_ project: Int) {
        guard let read = wanted[project], read.waits.isEmpty, !read.isForAudience else { return }
        wanted[project] = nil
    }

    private mutating func remove(_ client: Int, from project: Int) {
        let removed = table.remove(
            HistoryTesting.client(client), from: HistoryTesting.project(project))
        let before = waits(of: client, in: project)
        #expect((removed != nil) == (before > 0))
        asked[project]?.waits.removeAll { $0.client == client }
        wanted[project]?.waits.removeAll { $0.client == client }
        if before > 0 { dropIfUnwanted(project) }
    }

    private func waits(of client: Int, in project: Int) -> Int {
        [asked[project], wanted[project]].reduce(0) { count, read in
            count + (read?.waits.count { $0.client == client } ?? 0)
        }
    }

    private mutating func removeAll(of client: Int) {
        table.removeAll(of: HistoryTesting.client(client))
        for project in 0..<Self.projectCount where waits(of: client, in: project) > 0 {
            asked[project]?.waits.removeAll { $0.client == client }
            wanted[project]?.waits.removeAll { $0.client == client }
            dropIfUnwanted(project)
        }
    }

    private mutating func removeExpired() {
        var expired: [RemovedWaiter] = []
        let isComplete = table.removeExpired(Instant(nanoseconds: time), &expired)
        #expect(isComplete)
        var count = 0
        for project in 0..<Self.projectCount {
            let late = [asked[project], wanted[project]].reduce(0) { count, read in
                count + (read?.waits.count { $0.deadline <= time } ?? 0)
            }
            guard late > 0 else { continue }
            count += late
            asked[project]?.waits.removeAll { $0.deadline <= time }
            wanted[project]?.waits.removeAll { $0.deadline <= time }
            dropIfUnwanted(project)
        }
        #expect(expired.count == count)
    }

    private mutating func dropAudiences() {
        table.dropAudiences()
        for project in Array(asked.keys) { asked[project]?.isForAudience = false }
        for project in Array(wanted.keys) {
            wanted[project]?.isForAudience = false
            dropIfUnwanted(project)
        }
    }

    private mutating func answerAll() {
        let audiences = Set(
            (Array(asked) + Array(wanted)).lazy.filter(\.value.isForAudience).map(\.key))
        let unreadable = table.answerAll(.cursorExpired)
        #expect(Set(unreadable.audiences) == Set(audiences.map(HistoryTesting.project)))
        for (project, read) in wanted {
            asked[project, default: Read(since: read.since)].waits += read.waits
        }
        wanted = [:]
        statements = []
        for project in Array(asked.keys) {
            asked[project]?.isForAudience = false
            asked[project]?.isAnswered = true
            if asked[project]?.waits.isEmpty == true { asked[project] = nil }
        }
    }

    private mutating func unverify(_ project: Int) {
        switch random.below(3) {
        case 0:
            let client = random.below(Self.clientCount)
            table.unverify(HistoryTesting.client(client), in: HistoryTesting.project(project))
            unverify(project) { $0.client == client }
        case 1:
            table.unverify(HistoryTesting.project(project))
            unverify(project) { _ in true }
        default:
            guard random.below(4) == 0 else { return }
            table.unverifyAll()
            for project in 0..<Self.projectCount { unverify(project) { _ in true } }
        }
    }

    private mutating func unverify(_ project: Int, where isMeant: (Wait) -> Bool) {
        func mark(_ waits: [Wait]) -> [Wait] {
            waits.map { wait in
                var wait = wait
                if isMeant(wait) { wait.isUnverified = true }
                return wait
            }
        }
        let askedWaits = mark(asked[project]?.waits ?? [])
        let wantedWaits = mark(wanted[project]?.waits ?? [])
        asked[project]?.waits = askedWaits
        wanted[project]?.waits = wantedWaits
    }

    // MARK: Comparing

    private func compare() {
        let all = Array(asked.values) + Array(wanted.values)
        #expect(table.waiterCount == all.reduce(0) { $0 + $1.waits.count })
        #expect(table.audienceCount == all.count { $0.isForAudience })
        #expect(table.isEmpty == all.isEmpty)
        #expect(table.hasWanted == !wanted.isEmpty)
        #expect(table.order.count <= 2 * Self.projectCount + 66)
        for project in 0..<Self.projectCount {
            let id = HistoryTesting.project(project)
            #expect(table.concerns(id) == (asked[project] != nil || wanted[project] != nil))
            #expect(table.since(of: id)?.transaction == asked[project]?.since)
            let waits = (asked[project]?.waits ?? []) + (wanted[project]?.waits ?? [])
            #expect(table.clients(in: id) == waits.map { HistoryTesting.client($0.client) })
        }
    }
}

@Suite struct ReadTableModelBehaviour {
    @Test(arguments: 0..<4)
    func `whoever comes and goes, the table holds what dictionaries hold`(run: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the read table, run \(run): \(seed)")
        var model = ReadTableModel(seed: seed)
        for _ in 0..<1_500 { model.step() }
        model.finish()
    }
}
