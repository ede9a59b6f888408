import Gateway
import Reactor
import Testing

@Suite struct VerificationsBehaviour {
    private static let now = Instant(nanoseconds: 1_000_000_000_000)
    private static let later = now.advanced(byNanoseconds: Limits.verificationPauseNanoseconds)

    private static func project(_ number: Int) -> ProjectID {
        ProjectID(high: 7, low: UInt64(number))
    }

    private static func user(_ number: Int) -> UserID { UserID(high: 9, low: UInt64(number)) }

    /// Asks about all users of the project that is being verified. Returns whom.
    private static func askAll(
        of project: ProjectID, _ verifications: inout Verifications
    ) -> [UserID] {
        var users: [UserID] = []
        while let user = verifications.dequeueUser(of: project) {
            users.append(user)
            verifications.noteAsked(of: project)
        }
        verifications.currentRoom = nil
        return users
    }

    private static func begun(
        _ users: [Int], _ reason: ResyncReason = .membershipChecked
    ) -> Verifications {
        var verifications = Verifications()
        verifications.verify(project(1), reason)
        let next = verifications.dequeueRoom()
        precondition(next == project(1))
        verifications.begin(project(1), users.map(user))
        return verifications
    }

    // MARK: Projects

    @Test(arguments: [[], [1], [1, 1], [1, 2, 3], [1, 1, 2, 2, 2, 3], [1, 2, 2]])
    func `each user of an audience is asked about once`(users: [Int]) {
        var verifications = Self.begun(users)
        let asked = Self.askAll(of: Self.project(1), &verifications)
        #expect(asked == Set(users).sorted().map(Self.user))
        for position in asked.indices {
            let early = verifications.endIfVerified(Self.project(1), Self.now)
            #expect(early == nil, "\(asked.count - position) answers are still to come")
            verifications.noteAnswer(.member, of: Self.project(1), Self.now)
        }
        let reason = verifications.endIfVerified(Self.project(1), Self.now)
        #expect(reason == .membershipChecked)
        #expect(verifications.rooms.isEmpty && verifications.isEmpty)
    }

    @Test func `a user for whose question there was no room comes again`() {
        var verifications = Self.begun([1, 1, 2])
        let first = verifications.dequeueUser(of: Self.project(1))
        let again = verifications.dequeueUser(of: Self.project(1))
        #expect(first == Self.user(1) && again == Self.user(1))
        verifications.noteAsked(of: Self.project(1))
        for _ in 0..<2 {
            let second = verifications.dequeueUser(of: Self.project(1))
            #expect(second == Self.user(2))
        }
    }

    @Test func `a project isn't verified while its audience is being asked about`() {
        var verifications = Self.begun([1, 2])
        #expect(verifications.currentRoom == Self.project(1))
        _ = verifications.dequeueUser(of: Self.project(1))
        verifications.noteAsked(of: Self.project(1))
        verifications.noteAnswer(.member, of: Self.project(1), Self.now)
        let early = verifications.endIfVerified(Self.project(1), Self.now)
        #expect(early == nil, "one user wasn't asked about")
        _ = verifications.dequeueUser(of: Self.project(1))
        verifications.noteAsked(of: Self.project(1))
        verifications.noteAnswer(.notMember, of: Self.project(1), Self.now)
        _ = verifications.dequeueUser(of: Self.project(1))
        let current = verifications.endIfVerified(Self.project(1), Self.now)
        #expect(current == nil, "it is the one that is gone through")
        verifications.currentRoom = nil
        let reason = verifications.endIfVerified(Self.project(1), Self.now)
        #expect(reason == .membershipChecked)
    }

    @Test func `one that has not begun, or was never wanted, isn't over`() {
        var verifications = Verifications()
        verifications.verify(Self.project(1), .membershipChecked)
        let waiting = verifications.endIfVerified(Self.project(1), Self.now)
        let unknown = verifications.endIfVerified(Self.project(2), Self.now)
        #expect(waiting == nil && unknown == nil)
        let nobody = verifications.dequeueUser(of: Self.project(2))
        #expect(nobody == nil)
    }

    @Test func `another removal makes it begin again`() {
        var verifications = Self.begun([1])
        _ = Self.askAll(of: Self.project(1), &verifications)
        verifications.verify(Self.project(1), .membershipChecked)
        verifications.noteAnswer(.member, of: Self.project(1), Self.now)
        let outdated = verifications.endIfVerified(Self.project(1), Self.now)
        #expect(outdated == nil)
        #expect(verifications.due == Instant(nanoseconds: 0), "at once")
        let next = verifications.dequeueRoom()
        #expect(next == Self.project(1))
        verifications.begin(Self.project(1), [Self.user(1), Self.user(2)])
        let asked = Self.askAll(of: Self.project(1), &verifications)
        #expect(asked.count == 2)
        for _ in asked { verifications.noteAnswer(.member, of: Self.project(1), Self.now) }
        let reason = verifications.endIfVerified(Self.project(1), Self.now)
        #expect(reason == .membershipChecked)
    }

    @Test func `a loss of the listener is the reason that is told, whatever came before`() {
        for reasons in [
            [ResyncReason.membershipChecked, .listenerReconnected],
            [.listenerReconnected, .membershipChecked],
        ] {
            var verifications = Self.begun([], reasons[0])
            verifications.verify(Self.project(1), reasons[1])
            verifications.currentRoom = nil
            let outdated = verifications.endIfVerified(Self.project(1), Self.now)
            #expect(outdated == nil)
            _ = verifications.dequeueRoom()
            verifications.begin(Self.project(1), [])
            verifications.currentRoom = nil
            let reason = verifications.endIfVerified(Self.project(1), Self.now)
            #expect(reason == .listenerReconnected)
        }
    }

    /// It was verified twice: the second removal was taken for one that came while the audience was
    /// being asked about, though nobody had been asked yet.
    @Test func `a removal before it has begun makes it begin no second time`() {
        var verifications = Verifications()
        verifications.verify(Self.project(1), .membershipChecked)
        verifications.verify(Self.project(1), .membershipChecked)
        _ = verifications.dequeueRoom()
        verifications.begin(Self.project(1), [Self.user(1)])
        _ = Self.askAll(of: Self.project(1), &verifications)
        verifications.noteAnswer(.member, of: Self.project(1), Self.now)
        let reason = verifications.endIfVerified(Self.project(1), Self.now)
        let isEmpty = verifications.isEmpty
        #expect(reason == .membershipChecked)
        #expect(isEmpty)
    }

    // MARK: Pauses

    @Test func `nothing is due when nothing waits`() {
        let verifications = Verifications()
        #expect(verifications.due == nil && !verifications.isDue(Self.now))
    }

    @Test func `what the database doesn't say is asked again, after a pause`() {
        var verifications = Self.begun([1, 2])
        _ = Self.askAll(of: Self.project(1), &verifications)
        verifications.noteAnswer(.unknown, of: Self.project(1), Self.now)
        verifications.noteAnswer(.member, of: Self.project(1), Self.now)
        let unknown = verifications.endIfVerified(Self.project(1), Self.now)
        #expect(unknown == nil)
        #expect(verifications.due == Self.later)
        let isDueEarly = verifications.isDue(Instant(nanoseconds: Self.later.nanoseconds - 1))
        let isDueThen = verifications.isDue(Self.later)
        #expect(!isDueEarly && isDueThen)
    }

    @Test func `a user about whom the database doesn't say is asked about again, after a pause`() {
        var membership = Membership()
        let pair = MembershipPair(project: Self.project(1), user: Self.user(1))
        membership.verifications.askAgain(pair, Self.now)
        #expect(membership.verifications.due == Self.later)
        #expect(membership.deadline == Self.later)
        let isDone = membership.askAboutUsers()
        #expect(isDone)
        let isEmpty = membership.verifications.isEmpty
        #expect(isEmpty)
        #expect(membership.checks.verificationCount == 1)
    }

    // MARK: Room for questions

    /// As many questions of the hub as there may be, less `room`.
    private static func membership(room: Int) -> Membership {
        var membership = Membership()
        for number in 0..<Limits.verificationsMax - room {
            let pair = MembershipPair(project: project(100), user: user(number))
            let outcome = membership.checks.ask(pair, .verifyUser)
            precondition(outcome == .asked)
        }
        return membership
    }

    @Test(arguments: [0, 1, 2, 3, 4])
    func `an audience is asked about as far as there is room for questions`(room: Int) {
        var membership = Self.membership(room: room)
        membership.verifications.verify(Self.project(1), .membershipChecked)
        _ = membership.verifications.dequeueRoom()
        membership.verifications.begin(Self.project(1), [1, 1, 2, 3].map(Self.user))
        let isDone = membership.askAboutRest(of: Self.project(1))
        #expect(isDone == (room >= 3))
        #expect(membership.checks.canVerify == (room > 3))
        // Once there is room the rest follows, and nobody twice.
        Self.answerAll(&membership)
        let isDoneThen = membership.askAboutRest(of: Self.project(1))
        #expect(isDoneThen)
        #expect(membership.checks.verificationCount == max(0, 3 - room))
    }

    @Test(arguments: [0, 1, 2])
    func `users are asked about as far as there is room for questions`(room: Int) {
        var membership = Self.membership(room: room)
        for number in 0..<2 {
            membership.verifications.users.append(
                MembershipPair(project: Self.project(1), user: Self.user(number)))
        }
        let isDone = membership.askAboutUsers()
        #expect(isDone == (room == 2))
        #expect(membership.verifications.users.count == 2 - room)
        if !membership.checks.canVerify {
            #expect(membership.deadline == membership.checks.batchDue)
        }
    }

    /// Everything that was asked is answered.
    private static func answerAll(_ membership: inout Membership) {
        var parameters = QueryParameters()
        while membership.checks.batchDue != nil {
            let number = membership.checks.beginBatch(into: &parameters, now)
            membership.checks.finishBatch(number)
        }
        while membership.checks.dequeueAnswer() != nil {}
        precondition(membership.checks.verificationCount == 0)
    }
}
