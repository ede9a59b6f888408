package import Reactor

/// What the leader found in the catalogue.
package struct RelayedTables: Equatable, Sendable {
    package var tables = AnnouncedTables()
    /// Why memberships can't be asked for.
    package var membersFault: String?

    package init(_ tables: AnnouncedTables = AnnouncedTables(), membersFault: String? = nil) {
        self.tables = tables
        self.membersFault = membersFault
    }

    package func write(into buffer: inout ByteBuffer) {
        SessionFrame.write(.tables, into: &buffer) { buffer in
            buffer.append(frameText: membersFault)
            buffer.append(tables.switched == nil ? 0 : 1)
            if let switched = tables.switched {
                buffer.append(bigEndian: switched.transaction)
            }
            buffer.append(bigEndian: UInt32(clamping: tables.total))
            buffer.append(bigEndian: UInt32(tables.names.count))
            for name in tables.names {
                buffer.append(frameText: name)
                buffer.append(frameText: tables.mark(of: name))
            }
        }
    }

    package init?(_ body: borrowing Span<UInt8>) {
        var cursor = SessionFrameCursor()
        guard let fault = cursor.optionalText(of: body), let hasCursor = cursor.flag(of: body)
        else {
            return nil
        }
        var switched: Cursor?
        if hasCursor {
            guard let transaction = cursor.word(of: body) else { return nil }
            switched = Cursor(transaction: transaction)
        }
        guard let total = cursor.halfWord(of: body), let count = cursor.halfWord(of: body),
            count <= DatabaseLimits.tablesMax
        else { return nil }
        var tables = AnnouncedTables(switched: switched, total: Int(total))
        for _ in 0..<count {
            guard let name = cursor.text(of: body), let mark = cursor.optionalText(of: body) else {
                return nil
            }
            tables.add(name, mark: mark)
        }
        guard cursor.isAtEnd(of: body) else { return nil }
        self.init(tables, membersFault: fault)
    }
}
