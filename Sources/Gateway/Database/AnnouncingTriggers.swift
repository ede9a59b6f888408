/// Which tables have triggers of ours, and whether those have been in force all the time: common table
/// expressions for behind `SearchPath.names`.
///
/// The triggers of a table are those of our three functions, and of those that its partitions have of them, the
/// clones, each that was switched by itself (`pg_restore --disable-triggers` does that). A clone that was made with
/// its partition has the xmin of that one's row in pg_inherits, and one that was made, switched or renamed with
/// the trigger above has that one's xmin. So partitions that come and go change nothing.
///
/// PostgreSQL writes the row of a table's row type when the table is made, renamed, given away or moved to
/// another schema, and not when its columns, indexes or files change: its xmin tells of another table in its place.
enum AnnouncingTriggers {
    /// The functions of our triggers, none of which has a parameter: for rows, for TRUNCATE, and for what foreign
    /// keys change.
    static let row = "notify_cache_invalidation"
    static let truncation = "notify_cache_truncation"
    static let cascade = "note_cache_cascade"
    /// The three, for behind IN.
    static let functionNames = "'\(row)', '\(truncation)', '\(cascade)'"

    /// The last of them, `announcing`, has a row for each table with the row trigger, enabled or not:
    ///
    /// - relname: the name that it announces under, which of a partition is that of the partitioned table above all;
    /// - announces: whether all its triggers and all their clones are enabled, and, of the seed's four, that of
    ///   TRUNCATE is there if its function is;
    /// - mark: what differs when a trigger was made or switched since, or the table put in this place;
    /// - switched: the latest transaction that did so.
    ///
    /// A trigger that is enabled only for replicas ('R') counts where there are subscriptions: on a logical replica
    /// that is the one that runs. Temporary tables don't count. Clones are internal before PostgreSQL 15.
    static let tables = """
        functions AS (
            SELECT p.oid, p.pronamespace, p.proowner, n.nspname,
                pg_catalog.pg_get_userbyid(p.proowner) AS owner
            FROM pg_catalog.pg_proc AS p
            JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
            JOIN names ON names.functions = p.oid
            WHERE names.projects IS NULL OR EXISTS (
                SELECT FROM pg_catalog.pg_class AS c
                WHERE c.oid = names.projects AND (c.relowner = p.proowner OR EXISTS (
                    SELECT FROM pg_catalog.pg_trigger AS t
                    WHERE t.tgrelid = c.oid AND t.tgfoid = p.oid AND NOT t.tgisinternal)))
        ), our_functions AS (
            SELECT p.oid, p.oid = functions.oid AS is_row, p.proname = '\(truncation)' AS is_truncation,
                p.proname = '\(cascade)' AS is_cascade
            FROM functions
            JOIN pg_catalog.pg_proc AS p
                ON p.pronamespace = functions.pronamespace AND p.proowner = functions.proowner
            WHERE p.proname IN (\(functionNames)) AND p.pronargs = 0
        ), \(TransactionNumber.clock), modes AS MATERIALIZED (
            SELECT CASE WHEN EXISTS (
                SELECT FROM pg_catalog.pg_subscription AS s
                JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
                WHERE d.datname = pg_catalog.current_database()) THEN 'OAR' ELSE 'OA' END AS fire
        ), triggers AS MATERIALIZED (
            SELECT t.oid, t.xmin AS made, t.tgrelid, t.tgparentid, our_functions.is_row,
                our_functions.is_truncation,
                pg_catalog.strpos((SELECT fire FROM modes), t.tgenabled::text) > 0 AS is_enabled
            FROM pg_catalog.pg_trigger AS t
            JOIN our_functions ON our_functions.oid = t.tgfoid
            WHERE t.tgparentid <> 0 OR NOT t.tgisinternal
        ), clones AS (
            SELECT clone.oid, clone.made, clone.is_enabled, clone.is_row, clone.is_truncation,
                clone.tgparentid AS above
            FROM triggers AS clone
            JOIN pg_catalog.pg_trigger AS parent ON parent.oid = clone.tgparentid
            JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = clone.tgrelid
            WHERE NOT i.inhdetachpending AND (NOT clone.is_enabled
                OR clone.made <> parent.xmin AND clone.made <> i.xmin)
            UNION ALL
            SELECT clones.oid, clones.made, clones.is_enabled, clones.is_row, clones.is_truncation,
                t.tgparentid
            FROM clones JOIN pg_catalog.pg_trigger AS t ON t.oid = clones.above
            WHERE t.tgparentid <> 0
        ), of_tables AS (
            SELECT tgrelid, oid, made, is_enabled, is_row, is_truncation
            FROM triggers WHERE tgparentid = 0
            UNION ALL
            SELECT t.tgrelid, clones.oid, made, is_enabled, is_row, is_truncation
            FROM clones
            JOIN pg_catalog.pg_trigger AS t ON t.oid = clones.above AND t.tgparentid = 0
        ), announcing AS (
            SELECT c.oid, root.relname,
                pg_catalog.bool_and(t.is_enabled) AND (pg_catalog.bool_or(t.is_truncation)
                    OR pg_catalog.bool_or(c.oid IN (names.project_members, names.projects,
                        names.sprints, names.tasks)) IS NOT TRUE
                    OR NOT EXISTS (SELECT FROM our_functions WHERE is_truncation)) AS announces,
                pg_catalog.concat_ws(' ', c.oid, pg_catalog.max(y.xmin::text),
                    pg_catalog.string_agg(t.oid::text || '.' || t.made::text, ' ' ORDER BY t.oid)) AS mark,
                greatest(pg_catalog.max(\(TransactionNumber.whole(of: "t.made"))),
                    pg_catalog.max(\(TransactionNumber.whole(of: "y.xmin")))) AS switched
            FROM of_tables AS t
            JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
            JOIN pg_catalog.pg_type AS y ON y.oid = c.reltype
            JOIN pg_catalog.pg_class AS root
                ON root.oid = coalesce(pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid, c.oid)
            CROSS JOIN names
            WHERE c.relpersistence <> 't'
            GROUP BY c.oid, root.relname
            HAVING pg_catalog.bool_or(t.is_row)
        )
        """
}
