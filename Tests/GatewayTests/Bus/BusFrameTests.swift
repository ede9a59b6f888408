import Gateway
import Reactor
import Testing

@Suite struct BusFrameBehaviour {
    private static let sender = BusIdentity(node: 0x0102_0304_0506_0708, epoch: 9)

    private static func frame(_ content: BusFrame.Content) -> BusFrame {
        BusFrame(sender: sender, number: 0xFFFF_FFFF_FFFF_FFFE, content)
    }

    private static func counts(_ count: Int) -> CountsFrame {
        var counts = CountsFrame(clients: .max, hash: .max - 1)
        counts.changes = (0..<count).map {
            ProjectCount(BusTesting.project(UInt64($0)), UInt32($0))
        }
        return counts
    }

    private static func users(_ count: Int) -> [UserID] {
        (0..<count).map { UserID(high: 3, low: UInt64($0)) }
    }

    private static func userCounts(_ count: Int) -> [UserCount] {
        (0..<count).map {
            UserCount(UserID(high: 3, low: UInt64($0)), .max, asksOthers: $0 % 2 == 0)
        }
    }

    private static let contents: [BusFrame.Content] = {
        var omitting = counts(2)
        omitting.omitsProjects = true
        let project = BusTesting.project(1)
        let shard = ProjectCounts.shard(of: project)
        return [
            .counts(counts(0)), .counts(counts(BusFrame.projectsMax)), .counts(omitting),
            .snapshotWanted(SnapshotWanted(target: sender, shard: 255)),
            .snapshot(SnapshotFrame(target: 5, shards: 0..<256, counts: [])),
            .snapshot(
                SnapshotFrame(
                    target: 5, shards: shard..<shard + 1, counts: [ProjectCount(project, 1)])),
            .usersWanted(UsersWanted(target: 5, question: .max, project: project)),
            .usersWanted(
                UsersWanted(
                    target: 5, question: 1, project: project, after: UserID(high: 1, low: 2))),
            .users(UsersFrame(target: 5, question: 1, isLast: true, users: [])),
            .users(
                UsersFrame(
                    target: 5, question: 1, isLast: false, users: users(BusFrame.usersMax))),
            .connections(userCounts(1)), .connections(userCounts(BusFrame.userCountsMax)),
            .sends([UserCount(UserID(high: 3, low: 0), 0)]),
            .goodbye(GoodbyeFrame()), .goodbye(GoodbyeFrame(windowMilliseconds: 1)),
            .goodbye(GoodbyeFrame(windowMilliseconds: 60_000)),
        ] + aboutPeople
    }()

    private static let aboutPeople: [BusFrame.Content] = {
        let pairs = (0..<UInt64(BusFrame.peopleMax)).map {
            MembershipPair(project: BusTesting.project($0), user: UserID(high: 3, low: $0))
        }
        var omitting = PeopleFrame(hash: .max - 1)
        omitting.omits = true
        var full = PeopleFrame(hash: 1)
        full.changes = pairs.map { PresenceChange($0, .active, isAnew: true) }
        var few = PeopleFrame(hash: 2)
        few.changes = [PresenceChange(pairs[0], .absent), PresenceChange(pairs[1], .away)]
        let entries = pairs.map { PresenceChange($0, .away) }
        let topic = [UInt8](repeating: 0x61, count: Limits.topicBytesMax)
        let typing = pairs.prefix(BusFrame.typingMax).map {
            TypingChange($0, topic, isOver: false)
        }
        return [
            .people(omitting), .people(full), .people(few),
            .peopleWanted(PeopleWanted(target: sender, first: .max - 1)),
            .peoplePart(PeoplePart(target: 5, first: 0, end: 1, entries: [])),
            .peoplePart(
                PeoplePart(target: 5, first: 7, end: PeoplePart.atEnd, entries: entries)),
            .typing(TypingFrame(changes: typing)),
            .typing(
                TypingFrame(changes: [TypingChange(pairs[0], Array("ä".utf8), isOver: true)])),
        ]
    }()

    @Test(arguments: contents)
    func `each kind is read as it was written`(content: BusFrame.Content) {
        let frame = Self.frame(content)
        let bytes = BusTesting.bytes(of: frame)
        #expect(bytes.count <= Limits.busFrameBytesMax)
        #expect(BusTesting.read(bytes) == .success(frame))
    }

    /// Where whole entries are cut off it is another frame of the same kind.
    @Test(arguments: contents)
    func `cut anywhere it is malformed, or what was written of the part`(
        content: BusFrame.Content
    ) {
        let bytes = BusTesting.bytes(of: Self.frame(content))
        for count in 0..<bytes.count {
            switch BusTesting.read(Array(bytes.prefix(count))) {
            case .success(let part):
                #expect(BusTesting.bytes(of: part) == Array(bytes.prefix(count)))
            case .failure(let fault): #expect(fault == .malformed)
            }
        }
        let longer = BusTesting.read(bytes + [0])
        #expect(longer == .failure(.malformed) || longer == .failure(.oversized))
    }

    @Test func `one byte more than any frame has is too long, whatever it says`() {
        let bytes = [UInt8](repeating: 0xDB, count: Limits.busFrameBytesMax)
        #expect(BusTesting.read(bytes) == .failure(.version))
        #expect(BusTesting.read(bytes + [0]) == .failure(.oversized))
    }

    @Test(arguments: [UInt8(0), 2, 255])
    func `another version is told from what is malformed`(version: UInt8) {
        var bytes = BusTesting.bytes(of: Self.frame(.goodbye(GoodbyeFrame())))
        bytes[1] = version
        #expect(BusTesting.read(bytes) == .failure(.version))
        bytes[0] = 0
        #expect(BusTesting.read(bytes) == .failure(.malformed))
    }

    @Test func `kinds and marks that no frame has are malformed`() {
        for content in Self.contents {
            var bytes = BusTesting.bytes(of: Self.frame(content))
            bytes[3] = 2
            #expect(BusTesting.read(bytes) == .failure(.malformed))
        }
        var bytes = BusTesting.bytes(of: Self.frame(.goodbye(GoodbyeFrame())))
        for kind in [UInt8(0), 11, 255] {
            bytes[2] = kind
            #expect(BusTesting.read(bytes) == .failure(.malformed))
        }
    }

    @Test func `a goodbye without a window has none, and none has more than clients are told`() {
        let bytes = BusTesting.bytes(of: Self.frame(.goodbye(GoodbyeFrame())))
        #expect(BusTesting.read(bytes) == .success(Self.frame(.goodbye(GoodbyeFrame()))))
        #expect(GoodbyeFrame(windowMilliseconds: 60_001).windowMilliseconds == 60_000)
        let wrong: [[UInt8]] = [
            [0], [0, 0, 1], [0, 0, 0, 0], [0, 0, 0xEA, 0x61], [0xFF, 0xFF, 0xFF, 0xFF],
            [0, 0, 0, 1, 0],
        ]
        for body in wrong {
            #expect(BusTesting.read(bytes + body) == .failure(.malformed), "\(body)")
        }
    }

    @Test func `counts have a number, from one on`() {
        let frame = BusFrame(sender: Self.sender, number: 0, .counts(Self.counts(1)))
        #expect(BusTesting.read(BusTesting.bytes(of: frame)) == .failure(.malformed))
    }

    @Test func `a snapshot has the projects of its shards, which there are`() {
        let project = BusTesting.project(1)
        let shard = ProjectCounts.shard(of: project)
        let other = shard == 0 ? 1..<256 : 0..<shard
        for (shards, clients) in [(other, UInt32(1)), (0..<256, 0), (0..<257, 1), (5..<5, 1)] {
            let snapshot = SnapshotFrame(
                target: 1, shards: shards, counts: [ProjectCount(project, clients)])
            let bytes = BusTesting.bytes(of: Self.frame(.snapshot(snapshot)))
            #expect(BusTesting.read(bytes) == .failure(.malformed))
        }
    }

    @Test func `users are in order, each once, and nobody is the last part alone`() {
        let (one, two) = (UserID(high: 0, low: 1), UserID(high: 0, low: 2))
        for (users, isLast) in [([two, one], true), ([one, one], true), ([], false)] {
            let frame = UsersFrame(target: 1, question: 1, isLast: isLast, users: users)
            let bytes = BusTesting.bytes(of: Self.frame(.users(frame)))
            #expect(BusTesting.read(bytes) == .failure(.malformed))
        }
    }

    /// How one is seen who is present, and a topic.
    @Test func `what no node says of people is malformed`() {
        let pair = MembershipPair(project: BusTesting.project(1), user: UserID(high: 3, low: 1))
        var people = PeopleFrame(hash: 1)
        people.changes = [PresenceChange(pair, .active)]
        var bytes = BusTesting.bytes(of: Self.frame(.people(people)))
        for byte in [UInt8(3), 4, 7, 8, 255] {
            bytes[bytes.count - 1] = byte
            #expect(BusTesting.read(bytes) == .failure(.malformed), "\(byte)")
        }
        let part = PeoplePart(
            target: 5, first: 1, end: 2, entries: [PresenceChange(pair, .active)])
        bytes = BusTesting.bytes(of: Self.frame(.peoplePart(part)))
        bytes[bytes.count - 1] = 0
        #expect(BusTesting.read(bytes) == .failure(.malformed), "nobody who is absent")
        let standing = PeoplePart(target: 5, first: 2, end: 2, entries: [])
        bytes = BusTesting.bytes(of: Self.frame(.peoplePart(standing)))
        #expect(BusTesting.read(bytes) == .failure(.malformed), "it leads nowhere")
        let typing = TypingFrame(changes: [TypingChange(pair, [0xC3], isOver: false)])
        bytes = BusTesting.bytes(of: Self.frame(.typing(typing)))
        #expect(BusTesting.read(bytes) == .failure(.malformed), "half a character")
        bytes = BusTesting.bytes(of: Self.frame(.typing(TypingFrame(changes: []))))
        #expect(BusTesting.read(bytes) == .failure(.malformed), "nothing is said")
    }
}
