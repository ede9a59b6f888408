/// What became of a sign that somebody types.
package enum TypingOutcome: UInt8, CaseIterable, Sendable {
    /// It is told.
    case counted
    /// The last one was a moment ago.
    case swallowed
    /// Nobody is to know of it.
    case hidden
    /// There is no room for more of those who type, or for what is typed in.
    case full
}
