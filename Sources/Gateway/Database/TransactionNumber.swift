/// A transaction's whole number from its lower half, which is what a row's xmin is, in SQL.
enum TransactionNumber {
    /// A common table expression that `whole` needs.
    static let clock = """
        clock AS MATERIALIZED (
            SELECT now, pg_catalog.div(now, 4294967296) * 4294967296 AS began
            FROM (
                SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::numeric AS now
            ) AS newest
        )
        """

    /// The latest that it can be, as a numeric.
    static func whole(of xmin: String) -> String {
        """
        (SELECT CASE WHEN began + \(xmin)::text::numeric < now OR began = 0
                        THEN began ELSE began - 4294967296 END + \(xmin)::text::numeric
                    FROM clock)
        """
    }
}
