internal import CEpollShim
import Gateway
internal import Glibc
import Reactor
import Testing

@Suite struct ListenerSessionBehaviour {
    private let server: PrivatePostgres

    init() throws {
        server = try PrivatePostgres.shared.get()
    }

    @Test func `becomes live and hands out notifications in commit order`() throws {
        let url = try server.makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        for index in 0..<20 {
            try server.execute("SELECT pg_notify('cache_invalidate', 'n\(index)')", on: url)
        }
        let received = collect(20, &session, &clock)
        #expect(received.map(\.payload) == (0..<20).map { "n\($0)" })
        #expect(received.allSatisfy { $0.channel == "cache_invalidate" && $0.backend > 0 })
    }

    @Test func `takes 10,000 notifications of one transaction in order`() throws {
        let url = try server.makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try server.execute(
            "SELECT pg_notify('cache_invalidate', i::text) FROM generate_series(1, 10000) i",
            on: url)
        let received = collect(10_000, &session, &clock)
        #expect(received.map(\.payload) == (1...10_000).map { "\($0)" })
    }

    @Test(arguments: [0, 1, 7_998, 7_999])
    func `takes a payload of any length that PostgreSQL allows`(_ length: Int) throws {
        let url = try server.makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try server.execute(
            "SELECT pg_notify('cache_invalidate', repeat('ä', \(length / 2)) || \(length % 2 == 1 ? "'x'" : "''"))",
            on: url)
        let received = collect(1, &session, &clock)
        let expected = String(repeating: "ä", count: length / 2) + (length % 2 == 1 ? "x" : "")
        #expect(received.map(\.payload) == [expected])
    }

    @Test func `hears nothing of other channels`() throws {
        let url = try server.makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        try server.execute(
            "NOTIFY other, 'x'; NOTIFY cache_invalidate, 'end'", on: url)
        let received = collect(1, &session, &clock)
        #expect(received.map(\.payload) == ["end"])
    }

    @Test func `says in the server's words that its backend was ended, and becomes live again`()
        throws
    {
        let url = try server.makeDatabase()
        var clock = TestClock()
        var session = try liveSession(url, &clock)
        for _ in 0..<3 {
            try endBackends(url)
            let lost = nextEvent(&session, &clock)
            guard case .lost(.closed(let error)) = lost else {
                Issue.record("\(String(describing: lost))")
                return
            }
            #expect(error.sqlstate == "57P01")
            let registration = session.registration
            #expect(registration == nil)
            let none = session.dequeueNotification()
            let isEmpty = none == nil
            #expect(isEmpty)
            let deadline = session.deadline
            let wait = try #require(deadline).nanoseconds(since: clock.now)
            #expect(wait >= Backoff.floorNanoseconds && wait <= Backoff.ceilingNanoseconds)
            let live = nextEvent(&session, &clock)
            #expect(live == .live)
        }
        try server.execute("NOTIFY cache_invalidate, 'after'", on: url)
        let received = collect(1, &session, &clock)
        #expect(received.map(\.payload) == ["after"])
    }

    @Test func `stays in backoff, with longer and longer ceilings, while nobody listens`() throws {
        var clock = TestClock()
        let target = try ConnectionString("host=/tmp/devhive-nobody-here user=x dbname=x")
        var session = ListenerSession(target: target, seed: 3)
        var event: DatabaseEvent? = session.start(clock.now)
        var waits: [UInt64] = []
        for _ in 0..<40 {
            guard case .lost(.refused(let message)) = event else {
                Issue.record("\(String(describing: event))")
                return
            }
            #expect(message.contains("/tmp/devhive-nobody-here"))
            let deadline = session.deadline
            waits.append(try #require(deadline).nanoseconds(since: clock.now))
            event = nextEvent(&session, &clock)
        }
        #expect(waits.allSatisfy { (100_000_000...5_000_000_000).contains($0) })
        #expect(waits[0] <= 200_000_000)
        #expect(waits.contains { $0 > 2_000_000_000 })
    }

    @Test(.enabled(if: !PrivatePostgres.isExternal))
    func `a wrong password is reported without the password, and tried again`() throws {
        let url = try server.makeDatabase()
        let target = try ConnectionString(
            "\(url) user=\(PrivatePostgres.passwordRole) password=wrong-horse")
        var clock = TestClock()
        var session = ListenerSession(target: target, seed: 1)
        _ = session.start(clock.now)
        for _ in 0..<2 {
            let event = nextEvent(&session, &clock)
            guard case .lost(let loss) = event else {
                Issue.record("\(String(describing: event))")
                return
            }
            #expect(loss.description.contains("password authentication failed"))
            #expect(!loss.description.contains("horse"))
        }
        let right = try ConnectionString(
            "\(url) user=\(PrivatePostgres.passwordRole) password=\(PrivatePostgres.password)")
        var allowed = ListenerSession(target: right, seed: 1)
        _ = allowed.start(clock.now)
        let live = nextEvent(&allowed, &clock)
        #expect(live == .live)
    }

    @Test func `a database that doesn't exist is named, and found once it is there`() throws {
        let url = try server.makeDatabase()
        let name = "late_" + uniqueToken()
        let late = PrivatePostgres.replaceDatabase(of: url, with: name)
        var clock = TestClock()
        var session = ListenerSession(target: try ConnectionString(late), seed: 1)
        _ = session.start(clock.now)
        let event = nextEvent(&session, &clock)
        guard case .lost(.refused(let message)) = event else {
            Issue.record("\(String(describing: event))")
            return
        }
        #expect(message.contains("database \"\(name)\" does not exist"))
        try server.execute("CREATE DATABASE \(name)", on: url)
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
    }

    @Test func `gives up after 10 s on a server that accepts and says nothing`() throws {
        let mute = try MuteServer()
        var clock = TestClock()
        let target = try ConnectionString("host=\(mute.directory.path) port=5432 user=x dbname=x")
        var session = ListenerSession(target: target, seed: 1)
        let start = session.start(clock.now)
        #expect(start == .none)
        // The startup packet goes out; then there is nothing to read.
        while let registration = session.registration, isReady(registration, milliseconds: 50) {
            let event = session.ready(clock.now)
            #expect(event == .none)
        }
        clock.advance(seconds: 9.999)
        let early = session.timer(clock.now)
        #expect(early == .none)
        clock.advance(seconds: 0.001)
        let late = session.timer(clock.now)
        #expect(late == .lost(.connectingTimeout))
        let registration = session.registration
        #expect(registration == nil)
    }

    @Test func `asks for addresses first where the host is a name, and reports that there is none`()
        throws
    {
        var clock = TestClock()
        let target = try ConnectionString("host=localhost,nowhere.invalid port=1 user=x dbname=x")
        var session = ListenerSession(target: target, seed: 1)
        let started = session.start(clock.now)
        #expect(started == .none)
        let needs = session.needsResolution
        #expect(needs && target.hostsToResolve == ["localhost", "nowhere.invalid"])
        let failed = session.resolved(
            [ResolvedHost(name: "localhost", addresses: [], failure: "unknown")], clock.now)
        #expect(failed == .lost(.unresolved("localhost: unknown")))
        let deadline = session.deadline
        clock.now = try #require(deadline)
        _ = session.timer(clock.now)
        var event = session.resolved(
            [ResolvedHost(name: "localhost", addresses: ["127.0.0.1"])], clock.now)
        if event == .none { event = nextEvent(&session, &clock) ?? .none }
        guard case .lost(.refused(let message)) = event else {
            Issue.record("\(event)")
            return
        }
        #expect(message.contains("Connection refused"))
    }

    // MARK: Helpers

    private struct Received {
        let channel: String
        let payload: String
        let backend: Int32
    }

    private func liveSession(_ url: String, _ clock: inout TestClock) throws -> ListenerSession {
        var session = ListenerSession(target: try ConnectionString(url), seed: 1)
        let started = session.start(clock.now)
        #expect(started == .none)
        let live = nextEvent(&session, &clock)
        #expect(live == .live)
        return session
    }

    private func collect(
        _ count: Int, _ session: inout ListenerSession, _ clock: inout TestClock
    ) -> [Received] {
        var received: [Received] = []
        while received.count < count {
            while let notification = session.dequeueNotification() {
                received.append(
                    Received(
                        channel: text(notification.channel), payload: text(notification.payload),
                        backend: notification.backend))
            }
            guard received.count < count, let registration = session.registration,
                isReady(registration, milliseconds: 20_000)
            else { return received }
            let event = session.ready(clock.now)
            #expect(event == .none)
        }
        return received
    }

    private func text(_ bytes: borrowing Span<UInt8>) -> String {
        unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    private func endBackends(_ url: String) throws {
        try server.execute(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """, on: url)
    }
}

/// A listening socket at the place of a PostgreSQL server's, whose connections nobody answers.
private final class MuteServer {
    let directory: TestDirectory
    private let descriptor: Int32

    struct Failure: Error {}

    init() throws {
        directory = try TestDirectory()
        descriptor = socket(AF_UNIX, ces_SOCK_STREAM, 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = ".s.PGSQL.5432"
        let path = Array("\(directory.path)/\(name)".utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
            unsafe field.copyBytes(from: path)
        }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe ces_bind(descriptor, $0, size)
            }
        }
        guard bound == 0, listen(descriptor, 5) == 0 else { throw Failure() }
        directory.adopt(name)
    }

    deinit {
        close(descriptor)
    }
}
