import Gateway
import Reactor
import Testing

/// Questions, answers and removals at random, without a core and a database: who asks is answered once,
/// and by an answer that nothing has overtaken.
struct MembershipChecksModel: ~Copyable {
    private static let pairCount = 6

    private struct Batch {
        let number: Int
        let pairs: [MembershipPair]
        let sent: Int
        /// What the database found, once it has looked.
        var members: Set<MembershipPair>?
    }

    private struct Ask {
        let pair: MembershipPair
        let asked: Int
    }

    /// The answer to a batch, for each of its pairs.
    private struct Finding {
        let sent: Int
        let isMember: Bool
    }

    private var checks = MembershipChecks()
    private var batches: [Batch] = []
    private var asks: [Handle: Ask] = [:]
    private var hubAsks = 0
    private var members: Set<MembershipPair> = []
    /// When the last removal of each pair was announced.
    private var outdated: [MembershipPair: Int] = [:]
    private var findings: [MembershipPair: Finding] = [:]
    private var random: WebSocketTesting.Random
    private var time = 0
    private var handles: UInt64 = 0
    private(set) var answers = 0

    init(seed: UInt64) {
        random = WebSocketTesting.Random(seed: seed)
    }

    mutating func step() {
        time += 1
        switch random.below(20) {
        case 0..<5: ask()
        case 5: askForHub()
        case 6..<9: begin()
        case 9..<11: look()
        case 11..<14: conclude(fails: false)
        case 14 where random.below(3) == 0: conclude(fails: true)
        case 15: toggleMember()
        case 16: outdate()
        case 17 where random.below(4) == 0: checks.failWaiting()
        default: dequeue()
        }
        #expect(checks.clientCount == asks.count)
        #expect(checks.verificationCount == hubAsks)
    }

    mutating func finish() {
        repeat {
            time += 1
            begin()
            look()
            conclude(fails: false)
            while checks.hasAnswers { dequeue() }
        } while checks.batchDue != nil || !batches.isEmpty
        #expect(asks.isEmpty && hubAsks == 0)
        #expect(checks.clientCount == 0 && checks.verificationCount == 0)
        let hasAnswers = checks.hasAnswers
        #expect(!hasAnswers)
    }

    private mutating func anyPair() -> MembershipPair {
        let number = random.below(Self.pairCount)
        return MembershipPair(
            project: ProjectID(high: 7, low: UInt64(number % 2)),
            user: UserID(high: 9, low: UInt64(number / 2)))
    }

    // MARK: Asking

    private mutating func ask() {
        handles += 1
        let client = Handle(raw: handles)
        let pair = anyPair()
        let outcome = checks.ask(
            pair, .join(keepsOthers: true, .absent, since: nil), for: client)
        #expect(outcome != .full)
        asks[client] = Ask(pair: pair, asked: time)
    }

    private mutating func askForHub() {
        let outcome = checks.ask(anyPair(), random.below(2) == 0 ? .verifyUser : .verifyRoom)
        #expect(outcome != .full)
        hubAsks += 1
    }

    private mutating func begin() {
        guard checks.batchDue != nil else { return }
        var parameters = QueryParameters()
        let number = checks.beginBatch(into: &parameters, Instant(nanoseconds: 0))
        let pairs = zip(parameters.uuids(0), parameters.uuids(1)).map {
            MembershipPair(project: $0, user: $1)
        }
        #expect(!pairs.isEmpty && Set(pairs).count == pairs.count, "equal questions are one")
        for batch in batches {
            #expect(batch.number != number)
            #expect(Set(batch.pairs).isDisjoint(with: pairs), "it is being asked already")
        }
        batches.append(Batch(number: number, pairs: pairs, sent: time))
    }

    private mutating func look() {
        for position in batches.indices where batches[position].members == nil {
            batches[position].members = members
        }
    }

    private mutating func conclude(fails: Bool) {
        guard !batches.isEmpty else { return }
        let batch = batches.remove(at: random.below(batches.count))
        guard !fails else {
            checks.failBatch(batch.number)
            return
        }
        let found = batch.members ?? members
        for (position, pair) in batch.pairs.enumerated() {
            let isMember = found.contains(pair)
            findings[pair] = Finding(sent: batch.sent, isMember: isMember)
            guard isMember else { continue }
            let isNoted = checks.noteMember(Int64(position + 1), inBatch: batch.number)
            #expect(isNoted)
        }
        for position in [0, -1, batch.pairs.count + 1] {
            let isNoted = checks.noteMember(Int64(position), inBatch: batch.number)
            #expect(!isNoted, "there is no such position")
        }
        checks.finishBatch(batch.number)
    }

    // MARK: Removals

    private mutating func toggleMember() {
        let pair = anyPair()
        if members.remove(pair) == nil { members.insert(pair) }
    }

    private mutating func outdate() {
        let pair = anyPair()
        switch random.below(6) {
        case 0:
            checks.outdateEverything()
            for ask in asks.values { outdated[ask.pair] = time }
        case 1:
            checks.outdate(allOf: pair.project)
            for ask in asks.values where ask.pair.project == pair.project {
                outdated[ask.pair] = time
            }
        default:
            checks.outdate(pair)
            outdated[pair] = time
        }
    }

    // MARK: Answers

    private mutating func dequeue() {
        guard let answer = checks.dequeueAnswer() else { return }
        answers += 1
        guard answer.purpose.isClients else {
            hubAsks -= 1
            return
        }
        guard let ask = asks.removeValue(forKey: answer.client) else {
            Issue.record("an answer that nobody waits for")
            return
        }
        #expect(answer.pair == ask.pair)
        guard answer.verdict != .unknown else { return }
        guard let finding = findings[answer.pair] else {
            Issue.record("an answer that the database didn't give")
            return
        }
        #expect(finding.isMember == (answer.verdict == .member))
        if answer.verdict == .member {
            let last = outdated[answer.pair] ?? 0
            #expect(last < finding.sent, "a removal was announced since it was asked")
        } else {
            #expect(finding.sent >= ask.asked, "who asked late isn't told no by an old answer")
        }
    }
}

@Suite struct MembershipChecksBehaviour {
    @Test(arguments: 0..<4)
    func `whoever asks is answered once, by what nothing has overtaken`(run: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the membership checks, run \(run): \(seed)")
        var model = MembershipChecksModel(seed: seed)
        for _ in 0..<4_000 { model.step() }
        model.finish()
        #expect(model.answers > 100)
    }

    private static let pair = MembershipPair(
        project: ProjectID(high: 7, low: 1), user: UserID(high: 9, low: 1))

    private static func pair(_ number: Int) -> MembershipPair {
        MembershipPair(project: pair.project, user: UserID(high: 9, low: UInt64(number)))
    }

    @Test func `clients and the hub have bounds of their own`() {
        var checks = MembershipChecks()
        let join = MembershipPurpose.join(keepsOthers: true, .absent, since: nil)
        for number in 0..<Limits.membershipChecksMax {
            let outcome = checks.ask(Self.pair, join, for: Handle(raw: UInt64(number)))
            precondition(outcome == (number == 0 ? .asked : .shared))
        }
        let tooMany = checks.ask(Self.pair, join, for: Handle(raw: 1 << 20))
        #expect(tooMany == .full)
        for _ in 0..<Limits.verificationsMax {
            let outcome = checks.ask(Self.pair, .verifyUser)
            precondition(outcome == .shared)
        }
        let canVerify = checks.canVerify
        #expect(!canVerify)
        let tooManyOfHub = checks.ask(Self.pair, .verifyUser)
        #expect(tooManyOfHub == .full)
    }

    @Test func `the first batch goes at once, the next after a while or when it is full`() {
        var checks = MembershipChecks()
        var parameters = QueryParameters()
        let now = Instant(nanoseconds: 1_000_000)
        #expect(checks.batchDue == nil)
        _ = checks.ask(Self.pair(0), .verifyUser)
        #expect(checks.batchDue == Instant(nanoseconds: 0))
        let first = checks.beginBatch(into: &parameters, now)
        #expect(checks.batchDue == nil)
        for number in 1..<Limits.membershipBatchMax {
            _ = checks.ask(Self.pair(number), .verifyUser)
        }
        #expect(
            checks.batchDue
                == now.advanced(byNanoseconds: Limits.membershipBatchIntervalNanoseconds))
        _ = checks.ask(Self.pair(Limits.membershipBatchMax), .verifyUser)
        #expect(checks.batchDue == Instant(nanoseconds: 0))
        let second = checks.beginBatch(into: &parameters, now)
        #expect(first != second)
        #expect(parameters.uuids(0).count == Limits.membershipBatchMax)
    }

    @Test func `who is always overtaken is told that it isn't known`() {
        var checks = MembershipChecks()
        var parameters = QueryParameters()
        _ = checks.ask(Self.pair, .verifyUser)
        for attempt in 1...Limits.membershipAttemptsMax {
            let hasAnswers = checks.hasAnswers
            #expect(!hasAnswers, "attempt \(attempt)")
            let number = checks.beginBatch(into: &parameters, Instant(nanoseconds: 0))
            let awaitsAnswer = checks.awaitsAnswer(about: Self.pair.project)
            #expect(awaitsAnswer)
            checks.outdate(Self.pair)
            _ = checks.noteMember(1, inBatch: number)
            checks.finishBatch(number)
        }
        let answer = checks.dequeueAnswer()
        #expect(answer?.verdict == .unknown)
        let none = checks.dequeueAnswer()
        #expect(none == nil)
        let awaitsAnswerThen = checks.awaitsAnswer(about: Self.pair.project)
        #expect(!awaitsAnswerThen)
    }
}
