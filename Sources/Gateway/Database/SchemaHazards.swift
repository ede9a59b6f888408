internal import Reactor

/// What of the tables' surroundings keeps changes from being announced, is disturbed by the migrations,
/// or would run in place of what they mean: for `migrate`, which warns before, and for the doctor.
package struct SchemaHazard: Equatable, Sendable {
    package let subject: String
    package let fact: String
    package let advice: String
    /// Whether `migrate` applies nothing while it is there, and the doctor fails.
    package let isRefused: Bool
    /// Whether each file refuses to be applied while it is there.
    let isRefusedByFiles: Bool

    init(
        subject: String, fact: String, advice: String, isRefused: Bool = false,
        isRefusedByFiles: Bool = false
    ) {
        self.subject = subject
        self.fact = fact
        self.advice = advice
        self.isRefused = isRefused
        self.isRefusedByFiles = isRefusedByFiles
    }

    /// Rows: a kind, two names. Children by INHERITS fire no triggers of their parent. A table that
    /// isn't logged is empty after a crash. A publication of all tables has ours too, and stops a subscriber that lacks them at their first row. An operator, or a
    /// function named as one of PostgreSQL's, that somebody else made on the path may be meant to be run by
    /// those who mean PostgreSQL's own. So is a function named as one of ours, by applications that call that: PostgreSQL
    /// takes whichever fits their call best. Ours belong to a role that may act as the owner of projects.
    private static let statement = """
        WITH \(SearchPath.names), path AS (
            SELECT n.oid FROM names
            CROSS JOIN LATERAL pg_catalog.unnest(names.schemas) AS given (name)
            JOIN pg_catalog.pg_namespace AS n ON n.nspname = given.name
            WHERE n.nspname <> 'pg_catalog'
        ), overloads AS (
            SELECT o.oid::pg_catalog.regoperator::text AS name, o.oprowner AS owner
            FROM pg_catalog.pg_operator AS o JOIN path ON path.oid = o.oprnamespace
            UNION ALL
            SELECT f.oid::pg_catalog.regprocedure::text, f.proowner
            FROM pg_catalog.pg_proc AS f JOIN path ON path.oid = f.pronamespace
            WHERE f.proname IN (
                SELECT proname FROM pg_catalog.pg_proc
                WHERE pronamespace = 'pg_catalog'::pg_catalog.regnamespace)
        )
        SELECT 'child', c.oid::pg_catalog.regclass::text, i.inhparent::pg_catalog.regclass::text
        FROM names CROSS JOIN pg_catalog.pg_inherits AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
        WHERE NOT c.relispartition AND i.inhparent IN (
                names.projects, names.sprints, names.tasks, names.project_members)
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger AS t
                WHERE t.tgrelid = c.oid AND t.tgenabled <> 'D'
                    AND t.tgfoid = names.functions)
        UNION ALL
        SELECT 'unlogged', c.oid::pg_catalog.regclass::text, ''
        FROM names CROSS JOIN pg_catalog.pg_class AS c
        WHERE c.relpersistence = 'u' AND coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid) IN (
                names.projects, names.sprints, names.tasks, names.project_members)
        UNION ALL
        SELECT 'publication', pg_catalog.quote_ident(pubname), '' FROM pg_catalog.pg_publication
        WHERE puballtables
        UNION ALL
        (SELECT 'overload', overloads.name, r.rolname::text
        FROM overloads JOIN pg_catalog.pg_roles AS r ON r.oid = overloads.owner
        WHERE NOT r.rolsuper AND r.rolname <> current_user AND NOT EXISTS (
            SELECT FROM names JOIN pg_catalog.pg_class AS c ON c.oid = names.projects
            WHERE c.relowner = r.oid)
        ORDER BY 2 LIMIT 5)
        UNION ALL
        (SELECT 'namesake', f.oid::pg_catalog.regprocedure::text, r.rolname::text
        FROM pg_catalog.pg_proc AS f JOIN path ON path.oid = f.pronamespace
        JOIN pg_catalog.pg_roles AS r ON r.oid = f.proowner
        WHERE f.proname IN (
                \(AnnouncingTriggers.functionNames), 'raise_cache_horizon', 'devhive_send_direct')
            AND NOT r.rolsuper AND r.rolname <> current_user AND NOT EXISTS (
                SELECT FROM names JOIN pg_catalog.pg_class AS c ON c.oid = names.projects
                WHERE pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER'))
        ORDER BY 2 LIMIT 5)
        ORDER BY 1, 2, 3
        """

    static func find(
        _ connection: inout BlockingPostgresConnection
    ) throws(PostgresError) -> [SchemaHazard] {
        let rows = try connection.query(statement)
        return (0..<rows.count).map { row in
            let name = rows.text(row: row, column: 1)
            let kind = rows.text(row: row, column: 0)
            let other = rows.text(row: row, column: 2)
            return switch kind {
            case "namesake":
                SchemaHazard(
                    subject: "function \(name)",
                    fact: "it is named as one of ours and belongs to \(other):"
                        + " a call that it fits better runs it with the caller's rights",
                    advice: "find out why, then drop it, and REVOKE CREATE on its schema from who"
                        + " needn't have it", isRefused: true)
            case "overload":
                SchemaHazard(
                    subject: "operator or function \(name)",
                    fact: "\(other) made it on the search_path, where it may be"
                        + " run instead of PostgreSQL's own",
                    advice: "find out why, then drop it: migrate refuses while it is there, and the"
                        + " gateway does not run it", isRefusedByFiles: true)
            case "publication":
                SchemaHazard(
                    subject: "publication \(name)", fact: "it is FOR ALL TABLES, ours among them",
                    advice: "its subscribers stop unless they have cache_events,"
                        + " cache_events_horizon, devhive_direct_messages and devhive_migrations:"
                        + " make these there first,"
                        + " or publish tables by name")
            case "unlogged":
                SchemaHazard(
                    subject: "table \(name)",
                    fact: "it is UNLOGGED: a crash of PostgreSQL empties it, and nobody is told",
                    advice: "ALTER TABLE \(name) SET LOGGED")
            default:
                SchemaHazard(
                    subject: "table \(name)",
                    fact: "it inherits from \(other) and announces nothing",
                    advice: "CREATE TRIGGER on it as on \(other), or make it a partition")
            }
        }
    }
}
