/// What goes ahead of a statement about tables of ours, in its transaction: it locks them, so that they stay
/// under their names, and fails where one isn't what it was.
///
/// PostgreSQL runs what belongs to a table (triggers, rules, policies, a view's functions) with the rights of
/// whoever reads it or writes to it: some of that without a row, and some while it plans. A condition in
/// the statement itself comes too late. Without the lock the table could be another by then: whoever may
/// create things in its schema only has to wait for its owner to drop or rename it.
struct TableGuard: Equatable, Sendable {
    /// The code of its own errors, of a class that PostgreSQL has not.
    static let sqlstate = "DH001"

    /// Qualified and quoted, in the order in which `migrate` locks them.
    let tables: [String]
    let access: Access
    /// An expression of type text: why they aren't to be used, or an empty text. NULL, as of what isn't there, is
    /// a reason too.
    let fault: String

    enum Access {
        case read, write

        /// The strongest lock that the statement takes: one that is taken in two steps may be a deadlock with
        /// a change of the table.
        fileprivate var mode: String { self == .read ? "ACCESS SHARE" : "ROW EXCLUSIVE" }
    }

    /// Whoever may lock a table has rights to the whole of it. Of a partitioned one the partitions are its
    /// owner's.
    ///
    /// The look has a snapshot of its own, behind the locks: no statement of ours runs in a transaction of another
    /// isolation level (`SearchPath`). A lock isn't waited for long: the session has more to do.
    var statement: String {
        let locks = tables.map { "LOCK TABLE ONLY \($0) IN \(access.mode) MODE;" }
        let block = """
            DECLARE
                fault text;
            BEGIN
                PERFORM set_config('lock_timeout', '\(DatabaseLimits.lockMilliseconds)', true);
                \(locks.joined(separator: "\n    "))
                fault := \(fault);
                IF fault IS DISTINCT FROM '' THEN
                    RAISE EXCEPTION USING ERRCODE = '\(Self.sqlstate)',
                        MESSAGE = coalesce(fault, '\(tables.joined(separator: ", ")
                            .replacing("'", with: "''")): not there');
                END IF;
            END
            """
        return "DO \(block.quotedLiteral)"
    }
}

extension TableGuard {
    /// Tables of one schema that have to belong to the owner of the triggers' functions.
    ///
    /// - Parameters:
    ///   - schema: quoted and with a dot behind, or empty.
    ///   - functions: the oid of the triggers' function; 0 when there is none.
    ///   - function: one that has to be that owner's too, with the types of its parameters.
    init(
        _ names: [String], in schema: String, _ access: Access, functions: UInt32,
        calling function: String? = nil
    ) {
        let tables = names.map { schema + $0 }
        // One row of the catalogue each, by its key: what is planned anew each time is to be planned at once.
        var owners = tables.map { table in
            """
            (SELECT relowner FROM pg_class WHERE oid = to_regclass(\(table.quotedLiteral))
                        AND relkind IN ('r', 'p') AND NOT relhasrules)
            """
        }
        if let function {
            let name = (schema + function).quotedLiteral
            owners.append("(SELECT proowner FROM pg_proc WHERE oid = to_regprocedure(\(name)))")
        }
        let message =
            names.joined(separator: ", ")
            + ": not what it was, or not of the owner of the triggers' functions"
        self.init(
            tables: tables, access: access,
            fault: """
                CASE WHEN (SELECT proowner FROM pg_proc WHERE oid = \(functions)) = ALL (ARRAY[
                    \(owners.joined(separator: ",\n            "))
                ]) THEN '' ELSE \(message.quotedLiteral) END
                """)
    }
}

extension String {
    /// A literal of SQL with this text.
    var quotedLiteral: String {
        "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
