/// How much of who is present clients are told.
package enum PresenceUse: String, CaseIterable, Sendable {
    /// Who is.
    case on
    /// How many are.
    case count
    /// Nothing.
    case off
}
