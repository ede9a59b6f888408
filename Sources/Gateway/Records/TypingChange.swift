/// A user types in a topic of a project, or doesn't any more.
package struct TypingChange: Equatable, Sendable {
    package let pair: MembershipPair
    /// In UTF-8.
    package let topic: [UInt8]
    package let isOver: Bool

    package init(_ pair: MembershipPair, _ topic: [UInt8], isOver: Bool) {
        self.pair = pair
        self.topic = topic
        self.isOver = isOver
    }
}
