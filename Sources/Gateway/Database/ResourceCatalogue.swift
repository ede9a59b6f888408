internal import Reactor

/// Which tables announce their changes: asked of PostgreSQL's own catalogue, so that a table that
/// gets the trigger later is known without a change here.
enum ResourceCatalogue {
    /// Tables of any schema with an enabled trigger that calls `notify_cache_invalidation`. One that
    /// is enabled only for replicas ('R') counts: on a logical replica that is the one that runs.
    /// A partition has its table's trigger, and is announced under the table's name. relname has type
    /// name, which sorts by bytes.
    static let statement = """
        SELECT DISTINCT c.relname
        FROM pg_catalog.pg_trigger t
        JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        WHERE p.proname = 'notify_cache_invalidation'
          AND NOT t.tgisinternal
          AND t.tgparentid = 0
          AND t.tgenabled <> 'D'
        ORDER BY c.relname
        LIMIT \(DatabaseLimits.resourcesMax)
        """

    /// The names; `nil` when the rows have another shape. The limits hold again here, whoever
    /// plays the server.
    static func names(in rows: borrowing PostgresRows) -> [String]? {
        guard rows.columnCount == 1 else { return nil }
        var names: [String] = []
        for row in 0..<min(rows.count, DatabaseLimits.resourcesMax) {
            let length = rows.bytes(row: row, column: 0).count
            guard length > 0, length <= DatabaseLimits.resourceNameBytesMax else { continue }
            names.append(rows.text(row: row, column: 0))
        }
        return names
    }
}
