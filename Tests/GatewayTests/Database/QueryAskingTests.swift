import Gateway
import Reactor
import Testing

/// Statements that the rest of the program asks through the query session.
@Suite struct QueryAskingBehaviour {
    private let server: PrivatePostgres

    init() throws {
        server = try PrivatePostgres.shared.get()
    }

    private static let members = """
        CREATE FUNCTION notify_cache_invalidation() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TABLE project_members (project_id uuid, user_id uuid);
        INSERT INTO project_members VALUES
            ('00000000-0000-0001-0000-000000000001', '00000000-0000-0002-0000-000000000001'),
            ('00000000-0000-0001-0000-000000000001', '00000000-0000-0002-0000-000000000002'),
            ('00000000-0000-0001-0000-000000000002', '00000000-0000-0002-0000-000000000001');
        """

    @Test func `tells which of some pairs are members, by their places`() throws {
        var clock = TestClock()
        var session = try liveSession(Self.members, &clock)
        let outcome = session.ask(
            .members, Self.pairs([(1, 1), (1, 3), (2, 1), (2, 2), (1, 2), (1, 1)]), tag: 7,
            clock.now)
        #expect(outcome == .asked)
        let answers = Self.answers(of: &session, &clock, count: 1)
        #expect(answers == ["members 7: 1 3 5 6"])
    }

    @Test func `nothing asked and nobody found are answers too`() throws {
        var clock = TestClock()
        var session = try liveSession(Self.members, &clock)
        _ = session.ask(.members, Self.pairs([]), tag: 1, clock.now)
        _ = session.ask(.members, Self.pairs([(9, 9)]), tag: 2, clock.now)
        let answers = Self.answers(of: &session, &clock, count: 2)
        #expect(answers == ["members 1:", "members 2:"])
    }

    @Test func `answers come once each with their tags, beside the session's own statement`() throws
    {
        var clock = TestClock()
        var session = try liveSession(Self.members, &clock)
        for tag in 1...4 as ClosedRange<UInt64> {
            _ = session.ask(.members, Self.pairs([(1, tag)]), tag: tag, clock.now)
            if tag == 2 { _ = session.refreshResources(clock.now) }
        }
        let answers = Self.answers(of: &session, &clock, count: 4)
        #expect(answers == ["members 1: 1", "members 2: 1", "members 3:", "members 4:"])
    }

    @Test func `more than a kind's share isn't asked`() throws {
        var clock = TestClock()
        var session = try liveSession(Self.members, &clock)
        let share = DatabaseQuery.members.pendingMax
        for tag in 0..<UInt64(share) {
            let outcome = session.ask(.members, Self.pairs([(1, 1)]), tag: tag, clock.now)
            #expect(outcome == .asked)
        }
        let over = session.ask(.members, Self.pairs([(1, 1)]), tag: 99, clock.now)
        #expect(over == .full)
        let answers = Self.answers(of: &session, &clock, count: share)
        #expect(answers == (0..<share).map { "members \($0): 1" })
        let again = session.ask(.members, Self.pairs([(1, 1)]), tag: 99, clock.now)
        #expect(again == .asked)
    }

    @Test func `before there is a connection nothing is asked`() throws {
        let url = try server.makeDatabase()
        var session = QuerySession(target: try ConnectionString(url), seed: 1)
        let outcome = session.ask(
            .members, Self.pairs([(1, 1)]), tag: 1, Instant(nanoseconds: 1))
        #expect(outcome == .notLive)
    }

    @Test func `a refused statement fails alone`() throws {
        var clock = TestClock()
        var session = try liveSession("SELECT 1", &clock)  // No such table.
        _ = session.ask(.members, Self.pairs([(1, 1)]), tag: 1, clock.now)
        _ = session.ask(.members, Self.pairs([(1, 1)]), tag: 2, clock.now)
        let answers = Self.answers(of: &session, &clock, count: 2)
        #expect(answers == ["members 1: refused 42P01", "members 2: refused 42P01"])
        let isLive = session.isLive
        #expect(isLive)
    }

    @Test func `with the connection all that is pending is lost, and can be asked again`() throws {
        let url = try server.makeDatabase()
        try server.execute(Self.members, on: url)
        var clock = TestClock()
        var session = try liveSession(url: url, &clock)
        var blocker = try BlockingPostgresConnection(ConnectionString(url))
        try blocker.execute("BEGIN; LOCK TABLE project_members IN ACCESS EXCLUSIVE MODE")
        for tag in 1...3 as ClosedRange<UInt64> {
            _ = session.ask(.members, Self.pairs([(1, 1)]), tag: tag, clock.now)
        }
        clock.advance(seconds: 4.999)
        let early = session.timer(clock.now)
        #expect(early == .none)
        clock.advance(seconds: 0.001)
        let late = session.timer(clock.now)
        #expect(late == .lost(.answerTimeout))
        let lost = Self.answers(of: &session, &clock, count: 3)
        #expect(lost == ["members 1: lost", "members 2: lost", "members 3: lost"])
        try blocker.execute("ROLLBACK")
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
        _ = session.ask(.members, Self.pairs([(1, 1)]), tag: 4, clock.now)
        let answers = Self.answers(of: &session, &clock, count: 1)
        #expect(answers == ["members 4: 1"])
    }

    /// It was taken for a refusal of the question, which is what its asker was told.
    @Test func `what the server says as it ends the session is a loss`() throws {
        let url = try server.makeDatabase()
        try server.execute(Self.members, on: url)
        var clock = TestClock()
        var session = try liveSession(url: url, &clock)
        var blocker = try BlockingPostgresConnection(ConnectionString(url))
        try blocker.execute("BEGIN; LOCK TABLE project_members IN ACCESS EXCLUSIVE MODE")
        _ = session.ask(.members, Self.pairs([(1, 1)]), tag: 1, clock.now)
        try server.execute(
            """
            DO $$
            DECLARE
                asking integer;
            BEGIN
                WHILE asking IS NULL LOOP
                    PERFORM pg_sleep(0.01);
                    SELECT pid INTO asking FROM pg_locks
                    WHERE relation = 'project_members'::regclass AND NOT granted AND database =
                        (SELECT oid FROM pg_database WHERE datname = current_database());
                END LOOP;
                PERFORM pg_terminate_backend(asking);
            END
            $$
            """, on: url)
        let lost = Self.answers(of: &session, &clock, count: 1)
        #expect(lost == ["members 1: lost"])
        try blocker.execute("ROLLBACK")
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
    }

    @Test func `integers are read of decimal digits and of nothing else`() throws {
        let url = try server.makeDatabase()
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        let texts = [
            "-42", "0", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "",
            "-", "1x", " 1",
        ]
        let columns = texts.indices.map { "$\($0 + 1)::text" }.joined(separator: ", ")
        let rows = try connection.query("SELECT \(columns), NULL", texts)
        let numbers = (0...texts.count).map { rows.integer(row: 0, column: $0) }
        #expect(numbers == [-42, 0, .max, .min, nil, nil, nil, nil, nil, nil])
    }

    // MARK: Helpers

    private static func pairs(_ pairs: [(UInt64, UInt64)]) -> QueryParameters {
        var parameters = QueryParameters()
        for isUser in [false, true] {
            var array = ByteBuffer()
            array.beginUUIDArray(count: pairs.count)
            for (project, user) in pairs {
                array.append(
                    uuidElement: isUser ? CoreHarness.user(user) : CoreHarness.project(project))
            }
            parameters.append(binary: array)
        }
        return parameters
    }

    /// The next answers as texts, in the order in which they come.
    private static func answers(
        of session: inout QuerySession, _ clock: inout TestClock, count: Int
    ) -> [String] {
        var answers: [String] = []
        while answers.count < count {
            while let answer = session.dequeueAnswer() {
                answers.append(text(of: answer))
                _ = session.continueReading(clock.now)
            }
            guard answers.count < count, let registration = session.registration,
                isReady(registration, milliseconds: 20_000)
            else { break }
            _ = session.ready(clock.now)
        }
        return answers
    }

    private static func text(of answer: consuming QueryAnswer) -> String {
        let start = "\(answer.query) \(answer.tag):"
        switch answer.outcome {
        case .rows(let rows):
            let places = (0..<rows.count).compactMap { rows.integer(row: $0, column: 0) }
            return start + places.sorted().map { " \($0)" }.joined()
        case .succeeded: return start + " succeeded"
        case .failed(.lost): return start + " lost"
        case .failed(.refused(let error)): return start + " refused \(error.sqlstate ?? "")"
        }
    }

    private func liveSession(_ statements: String, _ clock: inout TestClock) throws -> QuerySession
    {
        let url = try server.makeDatabase()
        try server.execute(statements, on: url)
        return try liveSession(url: url, &clock)
    }

    private func liveSession(url: String, _ clock: inout TestClock) throws -> QuerySession {
        var session = QuerySession(target: try ConnectionString(url), seed: 1)
        _ = session.start(clock.now)
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
        return session
    }
}
