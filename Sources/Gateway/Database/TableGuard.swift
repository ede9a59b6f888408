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
    /// An expression: why they aren't to be used; NULL when they may be.
    let fault: String

    enum Access {
        case read, write

        /// The strongest lock that the statement takes: one that is taken in two steps may be a deadlock with
        /// a change of the table.
        fileprivate var mode: String { self == .read ? "ACCESS SHARE" : "ROW EXCLUSIVE" }
        /// Any of them allows that lock.
        fileprivate var privileges: String { self == .read ? "SELECT" : "UPDATE, DELETE" }
    }

    /// A role with rights to some columns may not lock the table, and still reads it. Of a partitioned one
    /// the partitions are its owner's.
    var statement: String {
        let locks = tables.map { table in
            """
            IF has_table_privilege(\(table.quotedLiteral), '\(access.privileges)') THEN
                    LOCK TABLE ONLY \(table) IN \(access.mode) MODE;
                END IF;
            """
        }
        let block = """
            DECLARE
                fault text;
            BEGIN
                \(locks.joined(separator: "\n    "))
                fault := \(fault);
                IF fault IS NOT NULL THEN
                    RAISE EXCEPTION USING MESSAGE = fault, ERRCODE = '\(Self.sqlstate)';
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
        var conditions = tables.map { table in
            """
            EXISTS (
                        SELECT FROM pg_class
                        WHERE oid = to_regclass(\(table.quotedLiteral)) AND relowner = proowner
                            AND relkind IN ('r', 'p') AND NOT relhasrules)
            """
        }
        if let function {
            conditions.append(
                """
                EXISTS (
                            SELECT FROM pg_proc AS called
                            WHERE called.oid = to_regprocedure(\((schema + function).quotedLiteral))
                                AND called.proowner = ours.proowner)
                """)
        }
        self.init(
            tables: tables, access: access,
            fault: """
                CASE WHEN NOT EXISTS (
                        SELECT FROM pg_proc AS ours WHERE oid = \(functions)
                            AND \(conditions.joined(separator: "\n            AND "))
                    ) THEN '\(names.joined(separator: ", ")): not what it was, or not the owner''s of the triggers'
                        || ''' functions' END
                """)
    }
}

extension String {
    /// A literal of SQL with this text.
    var quotedLiteral: String {
        "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
