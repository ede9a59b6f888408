internal import Gateway

/// An answer that a client waits for. Answers come in the order of what they answer.
enum Expectation {
    /// `ok` or `error` with the reference; what an `ok` means for subscriptions is the effect.
    case outcome(reference: Int, Effect)
    /// An error without a reference.
    case error(code: String)
    /// A pong, or an error with the reference for who has yet to say who it is.
    case pongText(reference: Int)
    case pongFrame([UInt8])
    /// An `ok` or an error that comes whenever the event log has been read, among other answers.
    case resume(reference: Int, project: Int, since: Int, sinceCommit: Int)

    /// The same for what waits for direct messages to be written or read.
    case direct(reference: Int, DirectWish)

    struct DirectWish {
        let id: Int?
        var isInbox = false
        /// Whether it is so long that of somebody who has yet to say who it is nothing of it is read.
        var isLong = false
    }

    enum Effect {
        case none
        case join(project: Int, keep: Bool, sinceCommit: Int)
        case leave(project: Int?)
        case presence(project: Int, PresenceWish)
        case initialize(user: Int?, project: Int?, expiresAt: Int64, sinceCommit: Int)
    }
}
