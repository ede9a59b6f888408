/// The names of the tables whose changes are announced, for resyncs: bounded, and in an order that
/// doesn't change.
package struct ResourceList: Equatable, Sendable {
    /// Each name in UTF-8.
    package private(set) var names: [[UInt8]]

    /// The tables of the schema that the gateway's migrations describe, used until the database
    /// has said which of its tables have triggers.
    package static let seed = ResourceList(["project_members", "projects", "sprints", "tasks"])

    /// Keeps at most `Limits.resourcesMax` names.
    package init(_ names: [String]) {
        self.names = names.prefix(Limits.resourcesMax).map { Array($0.utf8) }
    }

    /// Keeps at most `Limits.resourcesMax` names.
    package mutating func formUnion(_ other: ResourceList) {
        for name in other.names where names.count < Limits.resourcesMax && !names.contains(name) {
            names.append(name)
        }
    }
}
