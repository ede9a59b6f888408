package import Reactor

/// The table of memberships as `ResourceCatalogue` found it, and the statement that asks it which
/// pairs of a project and a user are members: any number of them in one.
struct MembersTable: Equatable, Sendable {
    /// With its schema, quoted; empty when there is none.
    let name: String
    /// Why it isn't to be asked, as the end of a sentence; empty when it may be.
    let fault: String
    /// `uuid`, the name of a type of PostgreSQL's that holds text, `text` for another such type, or a
    /// space and the name of one that holds no UUID.
    let project: String
    let user: String
    /// The oid of the triggers' function; 0 when there is none.
    let functions: UInt32

    init(
        name: String = "", fault: String = "", project: String = "uuid", user: String = "uuid",
        functions: UInt32 = 0
    ) {
        self.name = name
        self.functions = functions
        self.project = project.isEmpty ? "uuid" : project
        self.user = user.isEmpty ? "uuid" : user
        guard fault.isEmpty else {
            self.fault = fault
            return
        }
        let column = [("project_id", project), ("user_id", user)].first { $0.1.hasPrefix(" ") }
        self.fault = column.map { "has \($0.0) of type\($0.1), which holds no UUID" } ?? ""
    }

    /// Returns the places of those pairs that are members, from 1 on. The arrays go by one parameter
    /// each, so that the statement is the same for any number. It is to be sent behind `tableGuard`.
    ///
    /// The comparison is one of the column's own type, so that an index on it is used.
    var statement: String {
        """
        SELECT asked.position
        FROM unnest($1::uuid[], $2::uuid[])
            WITH ORDINALITY AS asked (project_id, user_id, position)
        WHERE EXISTS (
            SELECT FROM \(relation) AS member
            WHERE \(Self.equality("project_id", project))
                AND \(Self.equality("user_id", user))
        )
        """
    }

    /// What is wrong with the table is found out with each question, since it can be so from one moment
    /// to the next: it takes a fifth of a millisecond, however many pairs there are.
    var tableGuard: TableGuard {
        guard fault.isEmpty else {
            return TableGuard(
                tables: [], access: .read, fault: (Self.subject + fault).quotedLiteral)
        }
        return TableGuard(
            tables: [relation], access: .read,
            fault: """
                (SELECT coalesce('\(Self.subject)' || \(Self.fault(functions: String(functions))), '')
                    FROM pg_class AS c WHERE c.oid = to_regclass(\(relation.quotedLiteral)))
                """)
    }

    /// Why a question was refused, by the guard or otherwise, as the end of a sentence about `project_members`.
    static func fault(_ error: PostgresError) -> String {
        guard error.sqlstate == nil, error.message.hasPrefix(subject) else {
            return "can't be asked: \(error.description)"
        }
        return String(error.message.dropFirst(subject.count))
    }

    private static let subject = "project_members "

    private var relation: String { name.isEmpty ? "project_members" : name }

    /// What is wrong with the table `c` of pg_class, an expression; NULL when nothing is. It has to be a table
    /// of the functions' owner, or one to which a role that may use the function has given its trigger: without
    /// the function nobody could tell whose it is to be.
    /// Row-level security without a policy for this role would make everybody a stranger.
    ///
    /// - Parameter functions: an expression for the oid of the triggers' function.
    static func fault(functions: String) -> String {
        """
        CASE
                WHEN c.relkind NOT IN ('r', 'p') THEN 'is no table'
                WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_proc AS f WHERE f.oid = \(functions))
                    THEN 'can''t be told from a table of somebody else''s: there is no'
                        || ' notify_cache_invalidation() of the owner of projects'
                WHEN NOT EXISTS (
                    SELECT FROM pg_catalog.pg_proc AS f
                    WHERE f.oid = \(functions) AND (f.proowner = c.relowner OR EXISTS (
                        SELECT FROM pg_catalog.pg_trigger AS t
                        WHERE t.tgrelid = c.oid AND t.tgfoid = f.oid
                            AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'D'))
                ) THEN 'does not belong to the owner of the triggers'' functions'
                WHEN pg_catalog.row_security_active(c.oid) AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_policy AS p
                    CROSS JOIN LATERAL pg_catalog.unnest(p.polroles) AS shown (role)
                    WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('r', '*')
                        AND CASE WHEN shown.role = 0 THEN true
                            ELSE pg_catalog.pg_has_role(shown.role, 'USAGE') END
                ) THEN 'has row-level security, and no policy that shows this role any row'
            END
        """
    }

    private static func equality(_ column: String, _ type: String) -> String {
        guard type != "uuid" else { return "member.\(column) = asked.\(column)" }
        // Text doesn't say in which case its digits are.
        let member = type == "text" ? "member.\(column)::pg_catalog.text" : "member.\(column)"
        return """
            \(member) = ANY (ARRAY[asked.\(column)::text,
                    pg_catalog.upper(asked.\(column)::text)]::\(type)[])
            """
    }
}

extension QueryParameters {
    /// Parameters of the statement that ask about nobody.
    package mutating func writeNoPairs() {
        removeAll()
        append(text: "{}")
        append(text: "{}")
    }
}

extension ByteBuffer {
    /// PostgreSQL's type uuid (pg_type.dat).
    private static var uuidType: UInt32 { 2_950 }

    /// Begins an array of `count` UUIDs in PostgreSQL's binary format (array_recv in arrayfuncs.c):
    /// dimensions, whether there are NULLs, the elements' type, the count, the first index. The
    /// elements follow.
    package mutating func beginUUIDArray(count: Int) {
        beginArray(count: count, of: Self.uuidType)
    }

    private mutating func beginArray(count: Int, of type: UInt32) {
        append(bigEndian: UInt32(1))
        append(bigEndian: UInt32(0))
        append(bigEndian: type)
        append(bigEndian: UInt32(count))
        append(bigEndian: UInt32(1))
    }

    /// One element: its length, then its bytes.
    package mutating func append(uuidElement uuid: UUID) {
        append(bigEndian: UInt32(16))
        append(binary: uuid)
    }

    /// The type's binary format (uuid_recv).
    package mutating func append(binary uuid: UUID) {
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.high >> 32))
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.high))
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.low >> 32))
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.low))
    }

    /// PostgreSQL's type text (pg_type.dat).
    private static var textType: UInt32 { 25 }

    /// Begins an array of `count` texts, in the same way.
    package mutating func beginTextArray(count: Int) {
        beginArray(count: count, of: Self.textType)
    }

    package mutating func append(textElement text: borrowing Span<UInt8>) {
        append(bigEndian: UInt32(text.count))
        append(text.extracting(0..<text.count))
    }
}
