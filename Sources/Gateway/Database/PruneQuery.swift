/// Deletes from the event log what is older than it is kept for, a few rows at a time, so that no
/// lock is held for long.
enum PruneQuery {
    /// Rows in one statement: some milliseconds.
    static let rowsMax = 2_000

    /// Parameter: how long events are kept, in seconds. Returns the number of rows deleted.
    ///
    /// Several gateways do it by turns: an advisory lock (the bytes of "devhivep") lets one of them.
    /// The oldest transactions go first, and the horizon rises with them in the same transaction.
    /// One that began long ago and goes on is recorded under its number, with the time of its
    /// start, and may be pruned as soon as it ends; whoever hasn't heard it has a cursor below its
    /// number, and so below the horizon.
    static let statement = """
        WITH turn AS MATERIALIZED (
            SELECT pg_try_advisory_xact_lock(7234318567258613104) AS is_ours
        ), old AS MATERIALIZED (
            SELECT first.xid, first.seq
            FROM turn
            CROSS JOIN LATERAL (
                SELECT xid, seq, created_at FROM cache_events ORDER BY xid, seq LIMIT \(rowsMax)
            ) AS first
            WHERE turn.is_ours AND first.created_at < now() - make_interval(secs => $1::float8)
        ), gone AS (
            DELETE FROM cache_events AS event USING old
            WHERE event.xid = old.xid AND event.seq = old.seq
            RETURNING event.xid
        ), newest AS (
            SELECT xid FROM gone ORDER BY xid DESC LIMIT 1
        ), risen AS (
            UPDATE cache_events_horizon AS horizon SET xid = newest.xid
            FROM newest WHERE horizon.xid < newest.xid
        )
        SELECT count(*) FROM gone
        """
}
