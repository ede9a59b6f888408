package import Reactor

/// Asks which pairs of a project and a user are members: any number of them in one statement.
package enum MembersQuery {
    /// The places of those that are, from 1 on. The arrays go by one parameter each, so that the
    /// statement is the same for any number.
    static let statement = """
        SELECT asked.position
        FROM unnest($1::uuid[], $2::uuid[])
            WITH ORDINALITY AS asked (project_id, user_id, position)
        WHERE EXISTS (
            SELECT FROM project_members AS member
            WHERE member.project_id = asked.project_id AND member.user_id = asked.user_id
        )
        """
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
