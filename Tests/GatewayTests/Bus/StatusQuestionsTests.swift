import Gateway
import Reactor
import Testing

@Suite struct StatusQuestionsBehaviour {
    private static let project = BusTesting.project(1)

    private static func waiter(_ number: UInt64) -> StatusWaiter {
        StatusWaiter(
            client: Handle(raw: number),
            form: ResponseForm(omitsBody: false, version: .http11, keepAlive: true))
    }

    private static func users(_ numbers: Range<UInt64>) -> [UserID] {
        numbers.map { UserID(high: 0, low: $0) }
    }

    private static func asked(
        _ questions: inout StatusQuestions, _ nodes: [UInt64], waiter: UInt64 = 1
    ) throws -> UInt32 {
        let asked = questions.ask(
            about: project, nodes, for: Self.waiter(waiter), .at(milliseconds: 0))
        guard case .new(let wanted) = asked else { throw HarnessFault.connectionDropped }
        #expect(wanted.map(\.target) == nodes)
        return wanted[0].question
    }

    @Test func `who waits is answered when the last part of all has come`() throws {
        var questions = StatusQuestions()
        let question = try Self.asked(&questions, [1, 2])
        let shared = questions.ask(
            about: Self.project, [1, 2], for: Self.waiter(2), .at(milliseconds: 10))
        #expect(shared == .shared)
        var part = UsersFrame(
            target: 9, question: question, isLast: false, users: Self.users(5..<8))
        let next = questions.receive(part, from: 1)
        #expect(next?.after == UserID(high: 0, low: 7) && next?.target == 1)
        part.isLast = true
        part.users = Self.users(8..<10)
        #expect(questions.receive(part, from: 1) == nil)
        #expect(!questions.hasAnswers)
        #expect(questions.receive(part, from: 1) == nil, "it has answered")
        part.users = Self.users(3..<9)
        #expect(questions.receive(part, from: 2) == nil)
        #expect(questions.hasAnswers)
        var waiters: Set<UInt64> = []
        while let answer = questions.dequeueAnswer() {
            waiters.insert(answer.waiter.client.raw)
            #expect(answer.users == Self.users(3..<10) && !answer.isPartial)
        }
        #expect(waiters == [1, 2] && questions.deadline == nil)
    }

    @Test func `after 300 ms they are answered with what there is`() throws {
        var questions = StatusQuestions()
        let question = try Self.asked(&questions, [1, 2])
        let part = UsersFrame(
            target: 9, question: question, isLast: true, users: Self.users(1..<3))
        _ = questions.receive(part, from: 2)
        #expect(questions.deadline == .at(milliseconds: 300))
        questions.expire(.at(milliseconds: 299))
        #expect(!questions.hasAnswers)
        questions.expire(.at(milliseconds: 300))
        let answer = questions.dequeueAnswer()
        #expect(answer?.isPartial == true && answer?.users == Self.users(1..<3))
        #expect(questions.receive(part, from: 1) == nil, "late")
    }

    @Test func `a node that is gone isn't waited for`() throws {
        var questions = StatusQuestions()
        _ = try Self.asked(&questions, [1])
        questions.forget(2)
        #expect(!questions.hasAnswers)
        questions.forget(1)
        #expect(questions.dequeueAnswer()?.isPartial == false)
    }

    @Test func `no more users are asked for than are told`() throws {
        var questions = StatusQuestions()
        let question = try Self.asked(&questions, [1])
        let many = Self.users(0..<UInt64(Limits.statusUserIDsMax + 1))
        let part = UsersFrame(target: 9, question: question, isLast: false, users: many)
        #expect(questions.receive(part, from: 1) == nil)
        #expect(questions.dequeueAnswer()?.users.count == Limits.statusUserIDsMax + 1)
    }

    @Test func `beyond the bounds nobody waits`() throws {
        var questions = StatusQuestions()
        for number in 0..<UInt64(Limits.busWaitersMax) {
            let asked = questions.ask(
                about: Self.project, [1], for: Self.waiter(number), .at(milliseconds: 0))
            #expect(asked != .full)
        }
        let further = questions.ask(
            about: Self.project, [1], for: Self.waiter(0), .at(milliseconds: 0))
        #expect(further == .full)
        questions = StatusQuestions()
        for number in 1...UInt64(Limits.busQuestionsMax) {
            let asked = questions.ask(
                about: BusTesting.project(number), [1], for: Self.waiter(0), .at(milliseconds: 0))
            #expect(asked != .full)
        }
        let another = questions.ask(
            about: BusTesting.project(0), [1], for: Self.waiter(0), .at(milliseconds: 0))
        #expect(another == .full)
    }

    @Test func `a list is given part by part, and the oldest makes room`() {
        var lists = UserLists()
        let now = Instant.at(milliseconds: 0)
        let users = Self.users(0..<UInt64(BusFrame.usersMax + 1))
        var wanted = UsersWanted(target: 9, question: 1, project: Self.project)
        #expect(lists.part(wanted, of: 5) == nil)
        lists.keep(users, for: wanted, of: 5, now)
        let first = lists.part(wanted, of: 5)
        #expect(first?.users.count == BusFrame.usersMax && first?.isLast == false)
        wanted.after = first?.users.last
        let second = lists.part(wanted, of: 5)
        #expect(second?.users == users.suffix(1) && second?.isLast == true)
        #expect(lists.part(wanted, of: 5) == nil, "it was given whole")
        wanted.after = nil
        for asker in 0...UInt64(Limits.busListsMax) {
            lists.keep(users, for: wanted, of: asker, now)
        }
        #expect(lists.part(wanted, of: 0) == nil)
        #expect(lists.part(wanted, of: 1) != nil)
        lists.check(.at(milliseconds: 1_000))
        #expect(lists.part(wanted, of: 2) == nil, "nobody waits for so long")
    }

    @Test func `users beyond a frame come part by part, each asked for behind the one before`() {
        var asker = Bus(BusIdentity(node: 1, epoch: 1), now: .at(milliseconds: 0))
        var asked = Bus(BusIdentity(node: 2, epoch: 1), now: .at(milliseconds: 0))
        let now = Instant.at(milliseconds: 1_000)
        asked.publish([ProjectCount(Self.project, 5)], clients: 5, now)
        for frame in asked.takeFrames() { _ = asker.receive(frame.span, now) }
        let waiting = asker.awaitUsers(of: Self.project, Self.waiter(1), now)
        #expect(waiting == .waits)
        let users = Self.users(0..<2_500)
        var (rounds, listsMade) = (0, 0)
        while !asker.hasAnswers, rounds < 10 {
            rounds += 1
            for frame in asker.takeFrames() {
                guard case .users(let wanted, let node) = asked.receive(frame.span, now) else {
                    continue
                }
                listsMade += 1
                asked.answer(wanted, of: node, with: users, now)
            }
            let frames = asked.takeFrames()
            #expect(frames.count == 1, "no more than one is on its way")
            for frame in frames { _ = asker.receive(frame.span, now) }
        }
        let answer = asker.dequeueAnswer()
        #expect(answer?.users == users && answer?.isPartial == false)
        #expect(rounds == 3 && listsMade == 1)
    }
}
