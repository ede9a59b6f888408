/// How a user is seen in a project by one process.
package struct PresenceChange: Equatable, BitwiseCopyable, Sendable {
    package let pair: MembershipPair
    package let seen: Visibility
    /// Whether the process has heard that the membership ended, and says this since.
    package let isAnew: Bool

    package init(_ pair: MembershipPair, _ seen: Visibility, isAnew: Bool = false) {
        self.pair = pair
        self.seen = seen
        self.isAnew = isAnew
    }
}
