/// What a `presence` message asks for.
package struct PresenceWish: Equatable, BitwiseCopyable, Sendable {
    /// What the client wants to be told of a project, and so whether it is seen there.
    package enum Mode: UInt8, CaseIterable, BitwiseCopyable, Sendable {
        /// Who is present.
        case users
        /// How many are.
        case count
        /// Nothing, and to be seen by nobody.
        case off

        package var text: StaticString {
            switch self {
            case .users: "users"
            case .count: "count"
            case .off: "off"
            }
        }
    }

    package var mode = Mode.users
    /// Whether nobody looks at it for now.
    package var isAway = false
    /// Whether others are to know nothing of the user.
    package var isInvisible = false

    package init() {}
}
