/// Which tables announce their changes, as PostgreSQL's catalogue said when it was last looked at.
package struct AnnouncedTables: Equatable, Sendable {
    /// Those that a resync has to name, as far as it has room: the seed's four, whatever has become of them, then the others
    /// with our trigger, each in the order of the bytes.
    package private(set) var names: [String] = []
    /// Those of them that don't announce everything.
    package private(set) var silent: [String] = []
    /// By name, a hash of which table and triggers they are and when they were last switched on or off. Another mark
    /// means that there may have been a time without them; which of two is later it doesn't say, since the transaction
    /// with the lower number may end last.
    private var marks: [String: String] = [:]
    /// The transaction in which a trigger of them was last made or switched on or off, or a table renamed: what was changed
    /// before it may be unheard. `nil` when no table announces anything.
    package let switched: Cursor?

    /// How many there are, with those beyond what is looked at.
    package let total: Int

    package init(switched: Cursor? = nil, total: Int = 0) {
        self.switched = switched
        self.total = total
    }

    package mutating func add(_ name: String, mark: String?) {
        names.append(name)
        if let mark { marks[name] = mark } else { silent.append(name) }
    }

    /// `nil` for a table that doesn't announce everything.
    func mark(of name: String) -> String? { marks[name] }

    /// Tables that announce now, and did not all the time since the earlier look: what changed in
    /// them meanwhile may be unheard. None for a first look.
    package func returned(since earlier: AnnouncedTables) -> [String] {
        guard !earlier.names.isEmpty else { return [] }
        return names.filter { marks[$0] != nil && marks[$0] != earlier.marks[$0] }
    }

    /// Tables that announced at the earlier look, and don't now, and new ones that don't.
    package func lost(since earlier: AnnouncedTables) -> [String] {
        earlier.names.filter { earlier.marks[$0] != nil && marks[$0] == nil }
            + silent.filter { !earlier.names.contains($0) }
    }
}
