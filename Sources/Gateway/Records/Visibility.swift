/// How a user is seen in a project.
package enum Visibility: UInt8, BitwiseCopyable, Sendable {
    case absent
    case away
    case active

    /// How one is seen who is seen in both ways, at two places: the most active one counts.
    package func joined(with other: Visibility) -> Visibility {
        rawValue < other.rawValue ? other : self
    }
}
