/// Reads from the event log what some projects' clients have missed, each row once, as the payloads
/// that would have announced it.
package enum EventsQuery {
    /// Projects in one statement.
    package static let projectsMax = 32
    /// Rows of one statement: more than one project can have, and few enough to be handled within
    /// one turn (1,024 at 3 µs).
    package static let rowsMax = 1_024
    /// Distinct rows of one project that are listed; more are a resync.
    package static let eventsMax = 1_000
    /// Recorded events of one project that are looked at for it.
    static let recordsMax = 20_000

    /// Parameters: projects, cursors, in arrays of the same length.
    ///
    /// Rows: the project's place from 1 on, a verdict (0 for a payload or none, 1 for a cursor that
    /// is too old or of the future, 2 for too many), the payload, a cursor for whoever has got all of
    /// it: what its snapshot doesn't show is at or above its xmin; and the first cursor that is of the
    /// future. The horizon is read in the same
    /// snapshot as the events, so that nothing is removed in between; without one every cursor is too old. The payloads carry no cursor:
    /// a client that got half of them must begin again where it began.
    ///
    /// What may end memberships comes first, so that nobody hears of what came after his own end: the
    /// project's, then bulk changes of members, which may be anyone's, then single removals.
    ///
    /// Of several changes of one row the last in `seq` is its last: writers of one row wait for
    /// each other. The rest stands in that order too, which is nearly that of the commits. Bulk changes
    /// of a table are of many rows, and one that deletes isn't undone by one that inserts: of those the
    /// last of each action counts.
    ///
    /// The triggers announce without recording while the log isn't beside their function, or isn't its owner's. So a
    /// cursor is too old that isn't from behind the last transaction that put one of them where it is, or gave it
    /// away: that one's number is in the rows that PostgreSQL then writes, of the tables' row types, the
    /// function and the schema.
    ///
    /// - Parameter schema: where the log is, quoted and with a dot behind, or empty.
    static func statement(in schema: String) -> String {
        """
        WITH \(TransactionNumber.clock), placed AS MATERIALIZED (
            SELECT pg_catalog.max(\(TransactionNumber.whole(of: "made.xmin"))) AS last
            FROM (
                SELECT y.xmin FROM pg_catalog.pg_type AS y
                WHERE y.typrelid IN (\(oid("regclass", schema + "cache_events")),
                    \(oid("regclass", schema + "cache_events_horizon")))
                UNION ALL
                SELECT p.xmin FROM pg_catalog.pg_proc AS p
                WHERE p.oid = \(oid("regprocedure", schema + "notify_cache_invalidation()"))
                UNION ALL
                SELECT n.xmin FROM pg_catalog.pg_namespace AS n
                WHERE n.oid = \(oid("regnamespace", String(schema.dropLast())))
            ) AS made
        )
        SELECT asked.position, verdict.code, event.payload,
            pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()), pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
        FROM unnest($1::uuid[], $2::xid8[]) WITH ORDINALITY AS asked (project_id, since, position)
        LEFT JOIN \(schema)cache_events_horizon AS horizon ON true
        CROSS JOIN placed
        CROSS JOIN LATERAL (
            SELECT pg_catalog.count(*) AS count FROM (
                SELECT FROM \(schema)cache_events AS counted
                WHERE counted.project_id = asked.project_id AND counted.xid >= asked.since
                LIMIT \(recordsMax + 1)
            ) AS limited
        ) AS recorded
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN horizon.xid IS NULL OR asked.since <= horizon.xid
                    OR asked.since::text::numeric <= placed.last
                    OR asked.since > pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) THEN 1
                WHEN recorded.count > \(recordsMax) THEN 2
                ELSE 0
            END AS code
        ) AS verdict
        LEFT JOIN LATERAL (
            SELECT last.seq, CASE
                WHEN last.resource = 'projects' AND last.action IN ('DELETE', 'TRUNCATE') THEN 0
                WHEN last.resource <> 'project_members' OR last.action = 'INSERT' THEN 3
                WHEN last.record_id = '*' THEN 1
                WHEN last.action IN ('DELETE', 'TRUNCATE') THEN 2
                ELSE 3
            END AS rank, pg_catalog.json_build_object(
                'resource', last.resource,
                'id', last.record_id,
                'action', last.action,
                'project_id', asked.project_id,
                'timestamp',
                pg_catalog.to_char(last.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            ) AS payload
            FROM (
                SELECT DISTINCT ON (e.resource, e.record_id,
                        CASE WHEN e.record_id = '*' THEN e.action END)
                    e.resource, e.record_id, e.action, e.created_at, e.seq
                FROM \(schema)cache_events AS e
                WHERE e.project_id = asked.project_id AND e.xid >= asked.since
                    AND verdict.code = 0
                ORDER BY e.resource, e.record_id,
                    CASE WHEN e.record_id = '*' THEN e.action END, e.seq DESC
                LIMIT \(eventsMax + 1)
            ) AS last
        ) AS event ON true
        ORDER BY asked.position, event.rank, event.seq
        LIMIT \(rowsMax)
        """
    }

    static let columnCount = 5

    private static func oid(_ kind: String, _ name: String) -> String {
        "pg_catalog.to_\(kind)(\(name.quotedLiteral))::pg_catalog.oid"
    }
}
