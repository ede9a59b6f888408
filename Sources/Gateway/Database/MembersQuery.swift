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

    init(
        name: String = "", fault: String = "", project: String = "uuid", user: String = "uuid"
    ) {
        self.name = name
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
    /// each, so that the statement is the same for any number.
    ///
    /// The comparison is one of the column's own type, so that an index on it is used. A table that
    /// isn't to be asked makes it fail with the reason, which is what the log then tells.
    var statement: String {
        guard fault.isEmpty else {
            let reason = "project_members \(fault)".split(separator: "'").joined(separator: "''")
            return "SELECT CAST('\(reason)' AS boolean) FROM unnest($1::uuid[], $2::uuid[])"
        }
        return """
            SELECT asked.position
            FROM unnest($1::uuid[], $2::uuid[])
                WITH ORDINALITY AS asked (project_id, user_id, position)
            WHERE EXISTS (
                SELECT FROM \(name.isEmpty ? "project_members" : name) AS member
                WHERE \(Self.equality("project_id", project))
                    AND \(Self.equality("user_id", user))
            )
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
        append(bigEndian: UInt32(1))
        append(bigEndian: UInt32(0))
        append(bigEndian: Self.uuidType)
        append(bigEndian: UInt32(count))
        append(bigEndian: UInt32(1))
    }

    /// One element: its length, then its bytes.
    package mutating func append(uuidElement uuid: UUID) {
        append(bigEndian: UInt32(16))
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.high >> 32))
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.high))
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.low >> 32))
        append(bigEndian: UInt32(truncatingIfNeeded: uuid.low))
    }

    private mutating func append(bigEndian word: UInt32) {
        append(UInt8(truncatingIfNeeded: word >> 24))
        append(UInt8(truncatingIfNeeded: word >> 16))
        append(UInt8(truncatingIfNeeded: word >> 8))
        append(UInt8(truncatingIfNeeded: word))
    }
}
