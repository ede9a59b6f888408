import Reactor
import Testing

@testable import Gateway

@Suite struct PruneQueryBehaviour {
    private let server: PrivatePostgres

    init() throws {
        server = try PrivatePostgres.shared.get()
    }

    private static let tables = """
        CREATE TABLE cache_events_horizon (only_row boolean DEFAULT true, xid xid8);
        INSERT INTO cache_events_horizon VALUES (true, '3');
        CREATE TABLE cache_events (xid xid8, seq bigint, created_at timestamptz);
        INSERT INTO cache_events
            SELECT xid::text::xid8, xid, now() - interval '3 hours' + xid * interval '5 minutes'
            FROM generate_series(10, 11) AS xid;
        INSERT INTO cache_events VALUES ('12', 12, now() - interval '1 hour'), ('13', 13, now());
        """

    /// How long events are kept: two hours.
    private static func prune(
        _ connection: inout BlockingPostgresConnection
    ) throws -> PruneAnswer {
        let statement = PruneQuery.statement(in: "").replacing("$1", with: "7200")
        return PruneAnswer(try connection.query(statement))
    }

    private static func events(
        _ connection: inout BlockingPostgresConnection
    ) throws -> [String] {
        let rows = try connection.query("SELECT xid FROM cache_events ORDER BY xid")
        return (0..<rows.count).map { rows.text(row: $0, column: 0) }
    }

    /// By the lock of a number that any role could take nobody pruned any more, and nobody knew.
    @Test func `while somebody locks the horizon nothing goes, and the answer says for how long`()
        throws
    {
        let url = try server.makeDatabase()
        try server.execute(Self.tables, on: url)
        var locker = try BlockingPostgresConnection(ConnectionString(url))
        try locker.execute("BEGIN; SELECT FROM cache_events_horizon FOR UPDATE")
        var pruner = try BlockingPostgresConnection(ConnectionString(url))
        let held = try Self.prune(&pruner)
        #expect(held.count == 0)
        #expect((600..<900).contains(held.overdueSeconds))
        #expect(try Self.events(&pruner) == ["10", "11", "12", "13"])
        try locker.execute("ROLLBACK")
        let first = try Self.prune(&pruner)
        #expect(first.count == 2)
        #expect((600..<900).contains(first.overdueSeconds), "of what was there")
        #expect(try Self.events(&pruner) == ["12", "13"])
        let second = try Self.prune(&pruner)
        #expect(second.count == 0 && second.overdueSeconds == 0)
    }
}
