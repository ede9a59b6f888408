/// What became of a direct message that a client sent.
package enum DirectOutcome: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    /// It is committed.
    case sent
    /// Its sender has sent something under its id before.
    case repeated
    /// Sender and recipient share no project, or the recipient isn't there: nobody is told which.
    case notAllowed
    /// As much waits for the recipient as may.
    case inboxFull
    /// More bytes than a message may have.
    case tooLarge
    /// The database can't keep what it holds.
    case invalid
    /// The sender sends too many.
    case tooFast
    /// Whether it is committed isn't known, or it wasn't asked.
    case unavailable
}
