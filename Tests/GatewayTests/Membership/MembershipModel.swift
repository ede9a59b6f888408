import Gateway
import Reactor
import Testing

/// Members come and go, events are committed, clients join and leave, the query session and the
/// listener lag, fail and return, all at random; a ledger of the commits says what each client may
/// hear and what it must.
struct MembershipModel: ~Copyable {
    static let users: UInt64 = 5
    static let projects: UInt64 = 3

    enum Commit {
        case event(Int, project: UInt64)
        case removal(user: UInt64?, project: UInt64)
        /// An INSERT of a member: announced, and of no effect.
        case addition(project: UInt64)
    }

    private struct Client {
        let number: Int
        let user: UInt64
        /// Whether it was closed, since its first question wasn't answered.
        var isClosed = false
        /// Bytes of its stream that were looked at.
        var taken = 0
        /// The projects that it was told it is in, and the last commit at that moment.
        var joined: [UInt64: Int] = [:]
        /// What the answer to its pending join would mean.
        var asked: [Int: UInt64] = [:]
        /// Events that it must still hear of: numbers by project.
        var owed: [UInt64: Set<Int>] = [:]
    }

    var harness: CoreHarness
    private var random: WebSocketTesting.Random
    private var clients: [Client] = []
    /// Committed and not yet announced.
    private var unannounced: [Commit] = []
    private var commits = 0
    /// For each event, who was a member of its project when it was committed, or has become one
    /// since: an announcement may lag behind the query that finds the new member.
    private var permitted: [Int: Set<UInt64>] = [:]
    private var projectOfEvent: [Int: UInt64] = [:]
    private var isListening = true
    private var references = 0

    init(seed: UInt64) throws {
        var random = WebSocketTesting.Random(seed: seed)
        var harness = try CoreHarness(seed: seed, checksMembership: true)
        harness.database.answersAtOnce = false
        harness.deliveries.perTurn = random.below(2) == 0 ? 3 : 1_024
        harness.deliveries.perRoomShare = 2
        for user in 0..<Self.users {
            for project in 0..<Self.projects where random.below(3) > 0 {
                harness.database.add(user, to: project)
            }
        }
        for _ in 0..<12 {
            let user = UInt64(random.below(Int(Self.users)))
            clients.append(Client(number: try harness.open(user: user), user: user))
        }
        self.random = random
        self.harness = harness
    }

    // MARK: Steps

    mutating func step() {
        switch random.below(20) {
        case 0..<7: commitEvent()
        case 7..<10: commitMembership()
        case 10..<13: speak()
        case 13: lookOrLose()
        case 14 where random.below(8) == 0: loseListener()
        case 15..<18: announceSome()
        default: break
        }
        if random.below(3) > 0 {
            if random.below(3) > 0 { harness.database.look() }
            if !harness.database.batches.isEmpty, random.below(2) == 0 { harness.answerOne() }
        }
        harness.turn(milliseconds: UInt64(1 + random.below(12)))
        listen()
    }

    private mutating func anyProject() -> UInt64 { UInt64(random.below(Int(Self.projects))) }

    private mutating func commitEvent() {
        commits += 1
        let project = anyProject()
        permitted[commits] = Set(
            (0..<Self.users).filter {
                harness.database.members.contains(ScriptedDatabase.pair($0, project))
            })
        projectOfEvent[commits] = project
        unannounced.append(.event(commits, project: project))
        for index in clients.indices {
            guard clients[index].joined[project] != nil else { continue }
            clients[index].owed[project, default: []].insert(commits)
        }
    }

    private mutating func commitMembership() {
        let user = UInt64(random.below(Int(Self.users)))
        let project = anyProject()
        switch random.below(8) {
        case 0:  // All of them, half of whom stay.
            for user in 0..<Self.users where random.below(2) == 0 {
                harness.database.remove(user, from: project)
            }
            unannounced.append(.removal(user: nil, project: project))
        case 1:  // Removed and added in one transaction.
            guard harness.database.members.contains(ScriptedDatabase.pair(user, project)) else {
                return
            }
            unannounced.append(.removal(user: user, project: project))
            unannounced.append(.addition(project: project))
        case 2...4:
            harness.database.add(user, to: project)
            for (event, its) in projectOfEvent where its == project {
                permitted[event]?.insert(user)
            }
            unannounced.append(.addition(project: project))
        default:
            harness.database.remove(user, from: project)
            unannounced.append(.removal(user: user, project: project))
        }
    }

    private mutating func speak() {
        let index = random.below(clients.count)
        guard clients[index].asked.isEmpty, !clients[index].isClosed else { return }
        let project = anyProject()
        references += 1
        if random.below(5) == 0 {
            harness.receive(text: #"{"type":"leave_project"}"#, from: clients[index].number)
            clients[index].joined = [:]
            clients[index].owed = [:]
        } else {
            clients[index].asked[references] = project
            harness.join(
                project, keep: true, reference: references, from: clients[index].number)
        }
    }

    private mutating func lookOrLose() {
        if random.below(4) == 0 {
            harness.loseDatabase()
        } else {
            harness.core.database.answersQueries = true
        }
    }

    private mutating func loseListener() {
        if isListening {
            harness.core.listenerWasLost()
        } else {
            // What was committed while nobody listened isn't announced any more.
            unannounced.removeAll()
            harness.core.listenerBecameLive()
        }
        isListening.toggle()
    }

    private mutating func announceSome() {
        guard isListening else { return }
        for _ in 0..<random.below(unannounced.count + 1) { announceNext() }
    }

    private mutating func announceNext() {
        switch unannounced.removeFirst() {
        case .event(let number, let project): harness.notify(event: number, project: project)
        case .removal(let user, let project): harness.notifyRemoval(of: user, from: project)
        case .addition: break
        }
    }

    // MARK: The ledger

    /// Looks at what has arrived, and holds it against the ledger.
    private mutating func listen() {
        for index in clients.indices {
            let all = harness.sockets[clients[index].number].taken
            let head = clients[index].taken == 0 ? Self.headCount(of: all) : 0
            let stream = ServerStream(frames: Array(all[(clients[index].taken + head)...]))
            clients[index].taken = all.count - stream.restCount
            for text in stream.texts { hear(text, index) }
            if stream.closeCode == 1013 { clients[index].isClosed = true }
        }
    }

    private static func headCount(of bytes: [UInt8]) -> Int {
        let end = Array("\r\n\r\n".utf8)
        return (bytes.indices.first { bytes[$0...].starts(with: end) } ?? -4) + 4
    }

    private mutating func hear(_ text: String, _ index: Int) {
        let user = clients[index].user
        if let event = Invalidation(text) {
            if let number = event.event {
                let isPermitted = permitted[number]?.contains(user) == true
                #expect(isPermitted, "event \(number) reached user \(user)")
                clients[index].owed[event.project]?.remove(number)
            } else if text.contains("RESYNC"), event.resource == "tasks" {
                clients[index].owed[event.project] = []
            }
            return
        }
        if let reference = Self.reference(in: text) {
            let project = clients[index].asked.removeValue(forKey: reference)
            if text.contains(#""type":"ok""#), let project {
                clients[index].joined[project] = commits
            }
        } else if text.contains("membership_revoked") {
            for project in 0..<Self.projects
            where text.contains(CoreHarness.project(project).description) {
                clients[index].joined[project] = nil
                clients[index].owed[project] = nil
            }
        }
    }

    private static func reference(in text: String) -> Int? {
        text.split(separator: #""ref":"#).dropFirst().first
            .flatMap { Int($0.prefix { $0.isNumber }) }
    }

    // MARK: The end

    /// Everything comes to rest. Whoever was told that it is in a project has heard everything of
    /// it, and is a member.
    mutating func finish() {
        if !isListening { loseListener() }
        while !unannounced.isEmpty { announceNext() }
        harness.core.database.answersQueries = true
        harness.database.answersAtOnce = true
        harness.settle()
        listen()
        for project in 0..<Self.projects {
            commits += 1
            let number = commits
            permitted[number] = Set(
                (0..<Self.users).filter {
                    harness.database.members.contains(ScriptedDatabase.pair($0, project))
                })
            for index in clients.indices where clients[index].joined[project] != nil {
                clients[index].owed[project, default: []].insert(number)
            }
            harness.notify(event: number, project: project)
        }
        harness.settle()
        listen()
        for client in clients {
            for (project, events) in client.owed {
                #expect(events.isEmpty, "user \(client.user) missed \(events) of \(project)")
            }
            for project in client.joined.keys {
                let isMember = harness.database.members.contains(
                    ScriptedDatabase.pair(client.user, project))
                #expect(isMember)
            }
            #expect(client.asked.isEmpty)
        }
        harness.expectNothingLeftAfterResets()
    }
}

@Suite struct MembershipModelBehaviour {
    @Test(arguments: 0..<8)
    func
        `whatever happens, nobody hears what was committed while it was out, or misses what wasn't`(
            run: Int
        ) throws
    {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the membership model, run \(run): \(seed)")
        var model = try MembershipModel(seed: seed)
        var steps = 0
        // Seldom nobody is thrown out in so few.
        while steps < 400 || model.harness.core.metrics.revocations == 0 && steps < 10_000 {
            model.step()
            steps += 1
        }
        model.finish()
        #expect(model.harness.core.metrics.revocations > 0)
    }
}
