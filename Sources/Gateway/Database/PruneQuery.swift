internal import Reactor

/// Deletes from the event log what is older than it is kept for, a few rows at a time, so that no
/// lock is held for long.
enum PruneQuery {
    /// Rows in one statement: some milliseconds.
    static let rowsMax = 2_000

    /// Parameter: how long events are kept, in seconds. Returns the number of rows deleted, and by how
    /// many seconds the oldest that was there is older than it should get: what stays so for long isn't
    /// pruned by anybody.
    ///
    /// Several gateways do it by turns: the horizon's row is locked by one of them, and the others don't
    /// wait for it. Nobody else may lock it: that takes the right to change it.
    /// The oldest transactions go first, and the horizon rises with them in the same transaction.
    /// One that began long ago and goes on is recorded under its number, with the time of its
    /// start, and may be pruned as soon as it ends; whoever hasn't heard it has a cursor below its
    /// number, and so below the horizon.
    ///
    /// - Parameter schema: where the log is, quoted and with a dot behind, or empty.
    static func statement(in schema: String) -> String {
        """
        WITH turn AS MATERIALIZED (
            SELECT only_row FROM \(schema)cache_events_horizon FOR UPDATE SKIP LOCKED
        ), first AS MATERIALIZED (
            SELECT xid, seq, created_at < pg_catalog.now()
                    - pg_catalog.make_interval(secs => $1::float8) AS is_old,
                pg_catalog.date_part('epoch', pg_catalog.now() - created_at) AS age
            FROM \(schema)cache_events ORDER BY xid, seq LIMIT \(rowsMax)
        ), gone AS (
            DELETE FROM \(schema)cache_events AS event USING first, turn
            WHERE first.is_old AND event.xid = first.xid AND event.seq = first.seq
            RETURNING event.xid
        ), newest AS (
            SELECT xid FROM gone ORDER BY xid DESC LIMIT 1
        ), risen AS (
            UPDATE \(schema)cache_events_horizon AS horizon SET xid = newest.xid
            FROM newest WHERE horizon.xid < newest.xid
        )
        SELECT (SELECT pg_catalog.count(*) FROM gone), coalesce(
            (SELECT greatest(0, age - $1::float8)::bigint FROM first ORDER BY xid, seq LIMIT 1), 0)
        """
    }
}

/// The answer to that statement.
struct PruneAnswer: Equatable, BitwiseCopyable, Sendable {
    /// Rows that were deleted.
    let count: UInt64
    /// By how much the oldest row was older than it should get.
    let overdueSeconds: UInt64

    init(_ rows: borrowing PostgresRows) {
        count = Self.number(rows, 0)
        overdueSeconds = Self.number(rows, 1)
    }

    private static func number(_ rows: borrowing PostgresRows, _ column: Int) -> UInt64 {
        rows.integer(row: 0, column: column).flatMap { UInt64(exactly: $0) } ?? 0
    }
}
