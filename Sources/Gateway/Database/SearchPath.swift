/// Whose operators and functions a statement runs.
///
/// PostgreSQL takes the operator whose types fit best, wherever its schema stands on the search_path:
/// whoever may make one in the tables' schema has it run with the rights of who asks. So every session
/// pins its path first of all, and no statement with an operator in it is read before. The names of our
/// tables are still looked up on the path that the role or the database was given.
enum SearchPath {
    /// Operators and functions are never looked for in the temporary schema.
    static let pinned = "pg_catalog, pg_temp"

    /// The setting in which a session keeps the path that it was given.
    private static let setting = "devhive.search_path"

    /// A session's first statement, which sets its timeouts too. It has no operator, and its functions are
    /// named with their schema.
    static let pin = """
        SELECT pg_catalog.set_config('\(setting)', pg_catalog.current_setting('search_path'), false),
            pg_catalog.set_config('search_path', '\(pinned)', false),
            \(SessionTimeouts.expressions),
            \(defaults)
        """

    /// What our statements are written for, whatever the role or the database was given. What is looked at behind
    /// a lock has to be seen as it is then; strings are what they say; and what is to be deleted is.
    private static let defaults = [
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_read_only", "off"),
        ("standard_conforming_strings", "on"),
    ].map { "pg_catalog.set_config('\($0.0)', '\($0.1)', false)" }.joined(separator: ",\n    ")

    /// The same for a session that others wait for: a lock isn't waited for long.
    static let pinForQueries = """
        \(pin),
            pg_catalog.set_config('lock_timeout', '\(DatabaseLimits.lockMilliseconds)', false)
        """

    /// The same, and a statement that row-level security would hide rows from fails instead.
    static let pinWithoutRowSecurity = """
        \(pinForQueries), pg_catalog.set_config('row_security', 'off', false)
        """

    /// For what is meant to be read as the role would read it, until the transaction ends.
    static let unpin = """
        SELECT pg_catalog.set_config('search_path', pg_catalog.current_setting('\(setting)'), true)
        """

    /// Behind `unpin` and a file. Parameter: the path that the session was given, as `pin` has said.
    static let pinAgain = """
        SELECT pg_catalog.set_config('\(setting)', $1, false),
            pg_catalog.set_config('search_path', '\(pinned)', false)
        """

    /// Relations of ours, each a column of `names`.
    private static let relations = [
        "projects", "sprints", "tasks", "project_members", "cache_events", "cache_events_horizon",
        "devhive_migrations",
    ]

    /// Three common table expressions, for behind WITH, of which the last one counts: `names` has one row,
    /// with the oid of each relation of ours, that of the triggers' function, the `schema` in which
    /// this role would make things, and the `schemas` of its path; each NULL where there is none.
    ///
    /// The statement was read, with all its operators, before it runs. While it runs, the given path
    /// stands for as long as the names are looked up, and ends with the transaction whatever happens.
    static let names = """
        given_path AS MATERIALIZED (
            SELECT pg_catalog.set_config(
                'search_path', pg_catalog.current_setting('\(setting)'), true) AS path
        ), given_names AS MATERIALIZED (
            SELECT \(relations.map { "pg_catalog.to_regclass('\($0)')::pg_catalog.oid AS \($0)" }
                .joined(separator: ",\n        ")),
                pg_catalog.to_regprocedure('notify_cache_invalidation()')::pg_catalog.oid AS functions,
                pg_catalog.current_schema() AS schema, pg_catalog.current_schemas(false) AS schemas
            FROM given_path WHERE path IS NOT NULL
        ), names AS MATERIALIZED (
            SELECT given_names.*,
                pg_catalog.set_config('search_path', '\(pinned)', true) AS pinned_path
            FROM given_names
        )
        """
}
