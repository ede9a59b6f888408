/// An invariant that didn't hold.
package struct Violation: Error, Equatable, Sendable {
    /// Which one it is: a script is shrunk as long as it fails in the same way.
    package enum Rule: String, CaseIterable, Sendable {
        /// A client's stream isn't one of HTTP answers, then whole frames, then nothing.
        case stream
        /// A message isn't JSON, or isn't what it should be to the byte.
        case message
        /// An answer that nobody waited for, or not in its place.
        case answer
        /// An event of a project that the client isn't in.
        case subscription
        /// An event that was committed while its reader was no member.
        case membership
        /// An event that came before an earlier one, or a second time.
        case order
        /// An event that didn't come, and no resync in its place.
        case lost
        /// A list of those who are present that isn't what was told before and what has changed, or in
        /// the end not what is so.
        case presence
        /// Somebody who is listed, though nobody can have said so who is believed.
        case ghost
        /// Somebody who left, and was there all the time.
        case flicker
        /// A list that says that it is whole, or that it isn't, and isn't, or is.
        case partial
        /// The status of a project that isn't what is so.
        case status
        /// A direct message that came to somebody else, was confirmed and isn't there, or never came.
        case direct
        /// A connection that was opened, or kept, against a limit or a bad token.
        case admission
        /// A connection that was closed without a reason, or wasn't closed for one.
        case closing
        /// More than may wait for a client.
        case bounds
        /// Something of those who are gone.
        case remains
        /// A metric that says something else than what happened.
        case metrics
        /// What the core itself says must hold.
        case core
        /// Work that never ends.
        case rest
    }

    package let rule: Rule
    package let what: String

    init(_ rule: Rule, _ what: String) {
        self.rule = rule
        self.what = what
    }
}

extension Violation: CustomStringConvertible {
    package var description: String { "\(rule.rawValue): \(what)" }
}
