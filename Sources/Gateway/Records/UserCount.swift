/// How many connections of a user there are, or how many messages it has sent.
package struct UserCount: Equatable, BitwiseCopyable, Sendable {
    package let user: UserID
    package let count: UInt32
    /// Whether it is so many that those who have fewer are to say how many.
    package let asksOthers: Bool

    /// The most that is told.
    package static let most = UInt32.max >> 1

    package init(_ user: UserID, _ count: UInt32, asksOthers: Bool = false) {
        self.user = user
        self.count = min(count, Self.most)
        self.asksOthers = asksOthers
    }
}
