internal import Reactor

/// What of the tables' surroundings keeps changes from being announced, or is disturbed by the
/// migrations: for `migrate`, which warns before, and for the doctor.
package struct SchemaHazard: Equatable, Sendable {
    package let subject: String
    package let fact: String
    package let advice: String

    /// Rows: a kind, two names. Children by INHERITS fire no triggers of their parent. A publication of
    /// all tables has ours too, and stops a subscriber that lacks them at their first row.
    private static let statement = """
        SELECT 'child', c.oid::pg_catalog.regclass::text, i.inhparent::pg_catalog.regclass::text
        FROM pg_catalog.pg_inherits AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
        WHERE NOT c.relispartition AND i.inhparent IN (
                pg_catalog.to_regclass('projects'), pg_catalog.to_regclass('sprints'),
                pg_catalog.to_regclass('tasks'), pg_catalog.to_regclass('project_members'))
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger AS t
                WHERE t.tgrelid = c.oid AND t.tgenabled <> 'D'
                    AND t.tgfoid = pg_catalog.to_regprocedure('notify_cache_invalidation()'))
        UNION ALL
        SELECT 'publication', pg_catalog.quote_ident(pubname), '' FROM pg_catalog.pg_publication
        WHERE puballtables
        ORDER BY 1, 2, 3
        """

    static func find(
        _ connection: inout BlockingPostgresConnection
    ) throws(PostgresError) -> [SchemaHazard] {
        let rows = try connection.query(statement)
        return (0..<rows.count).map { row in
            let name = rows.text(row: row, column: 1)
            guard rows.text(row: row, column: 0) == "child" else {
                return SchemaHazard(
                    subject: "publication \(name)", fact: "it is FOR ALL TABLES, ours among them",
                    advice: "its subscribers stop unless they have cache_events,"
                        + " cache_events_horizon and devhive_migrations: make these there first,"
                        + " or publish tables by name")
            }
            let parent = rows.text(row: row, column: 2)
            return SchemaHazard(
                subject: "table \(name)", fact: "it inherits from \(parent) and announces nothing",
                advice: "CREATE TRIGGER on it as on \(parent), or make it a partition")
        }
    }
}
