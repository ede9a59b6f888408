internal import Reactor

/// What goes ahead of a statement about tables of ours, in its transaction: it locks them, so that they stay
/// under their names, and fails where one isn't what it was.
///
/// PostgreSQL runs what belongs to a table (triggers, rules, policies, a view's functions) with the rights of
/// whoever reads it or writes to it: some of that without a row, and some while it plans. A condition in
/// the statement itself comes too late. Without the lock the table could be another by then: whoever may
/// create things in its schema only has to wait for its owner to drop or rename it.
///
/// A statement that was read under a name stays behind its guard all the same: its plan, too, is made or looked
/// at when it is its turn, in the same transaction, and what was changed meanwhile is read and planned anew then.
struct TableGuard: Equatable, Sendable {
    /// The code of its own errors, of a class that PostgreSQL has not.
    static let sqlstate = "DH001"

    /// Qualified and quoted, in the order in which `migrate` locks them. None ahead of a call of a function that
    /// locks and looks itself, with its owner's rights, before it reads or writes.
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

        /// Any of these is enough for that lock (LOCK TABLE).
        fileprivate var rights: String {
            self == .read ? "SELECT" : "INSERT, UPDATE, DELETE, TRUNCATE"
        }
    }

    /// A statement that takes the locks when it is read, and is never run; `nil` without tables.
    ///
    /// LOCK TABLE would do, but for a transaction that is the pipeline's, which has no BEGIN. PostgreSQL locks the
    /// tables of a statement when it reads it. What EXPLAIN is to explain it neither rewrites nor plans before that
    /// is run, so that nothing of a view, a rule or a policy is even looked at.
    var lock: String? {
        guard !tables.isEmpty else { return nil }
        switch access {
        case .read:
            return "EXPLAIN SELECT FROM " + tables.map { "ONLY \($0)" }.joined(separator: ", ")
        case .write:
            let parts = tables.enumerated().map {
                "locked\($0.offset) AS (DELETE FROM ONLY \($0.element) WHERE false)"
            }
            return "EXPLAIN WITH \(parts.joined(separator: ", ")) SELECT"
        }
    }

    /// A statement that fails unless they are to be used. It asks PostgreSQL's own tables alone, so it may be kept
    /// under a name.
    ///
    /// Behind the locks it has a snapshot of its own: no statement of ours runs in a transaction of another
    /// isolation level (`SearchPath`). Whoever is to read or write has to have rights to whole tables. SQL has no
    /// way to raise an error of one's own, so a text that is no number is read as one: `refusal` finds it in the
    /// error. It isn't a constant, which would fail as soon as it is planned.
    var check: String {
        let rights = tables.map {
            "WHEN NOT has_table_privilege(to_regclass(\($0.quotedLiteral)), '\(access.rights)')"
                + " THEN \("{42501 permission denied for table \($0)}".quotedLiteral)"
        }
        let absent = "\(tables.joined(separator: ", ")): not there".quotedLiteral
        let code = Self.sqlstate
        return """
            SELECT CAST(coalesce(CASE
                    \(rights.joined(separator: "\n        "))
                    WHEN true THEN nullif(
                        '{\(code) ' || coalesce(\(fault), \(absent)) || '}', '{\(code) }')
                END, '0') AS integer)
            """
    }

    /// The same for a transaction that was begun, as statements of the simple protocol. A lock isn't waited for
    /// long.
    var statements: String {
        let locks = tables.map { "LOCK TABLE ONLY \($0) IN \(access.mode) MODE; " }
        return "SET LOCAL lock_timeout = \(DatabaseLimits.lockMilliseconds); "
            + locks.joined() + check
    }

    /// What `check` meant by its error; `nil` when the error is another.
    static func refusal(_ error: PostgresError) -> PostgresError? {
        // invalid_text_representation, in the words of the server's language around ours.
        guard error.sqlstate == "22P02",
            let start = error.message.firstIndex(of: "{"),
            let end = error.message.lastIndex(of: "}"), start < end
        else { return nil }
        let words = error.message[start..<end].dropFirst()
        let code = words.prefix(sqlstate.count)
        guard words.dropFirst(code.count).first == " " else { return nil }
        let message = String(words.dropFirst(code.count + 1))
        return PostgresError(
            sqlstate: code == sqlstate ? nil : String(code), message: message)
    }
}

extension TableGuard {
    /// Tables of one schema that have to belong to the owner of the triggers' functions.
    ///
    /// - Parameters:
    ///   - schema: quoted and with a dot behind, or empty.
    ///   - functions: the oid of the triggers' function; 0 when there is none.
    ///   - function: one that has to be that owner's too, and to run with the owner's rights; and the oids of its
    ///     parameters' types.
    init(
        _ names: [String], in schema: String, _ access: Access, functions: UInt32,
        calling function: (name: String, types: String)? = nil
    ) {
        let tables = names.map { schema + $0 }
        // One row of the catalogue each, by its key.
        var owners = tables.map { table in
            """
            (SELECT relowner FROM pg_class WHERE oid = to_regclass(\(table.quotedLiteral))
                        AND relkind IN ('r', 'p') AND NOT relhasrules)
            """
        }
        if let function {
            // All of no owners would be equal to anybody.
            owners.append(
                schema.isEmpty
                    ? "NULL::oid"
                    : """
                    (SELECT proowner FROM pg_proc WHERE proname = '\(function.name)'
                                AND proargtypes = '\(function.types)' AND prosecdef
                                AND pronamespace = to_regnamespace(\(String(schema.dropLast()).quotedLiteral)))
                    """)
        }
        let message =
            (names + (function.map { [$0.name] } ?? [])).joined(separator: ", ")
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

extension BlockingPostgresConnection {
    /// Locks and looks, in the transaction that was begun.
    mutating func pass(_ tableGuard: TableGuard) throws(PostgresError) {
        do throws(PostgresError) {
            try execute(tableGuard.statements)
        } catch {
            throw TableGuard.refusal(error) ?? error
        }
    }
}

extension String {
    /// A literal of SQL with this text.
    var quotedLiteral: String {
        "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
