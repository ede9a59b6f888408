internal import Reactor

/// The phases of a turn, for everything that has turns: the server, and the worlds in which it is
/// tested. Their order stands here alone.
///
/// Bytes come in, changes come in, time passes, and then everything goes out. Nothing before `flush`
/// sends, and nothing before `freeClosed` frees.
package protocol TurnPhases: ~Copyable {
    associatedtype Failure: Error

    /// Reads what has arrived from clients and from the database.
    mutating func receiveReady() throws(Failure)
    /// Acts on answers about memberships. They come before the turn's notifications: a removal that is
    /// among those was committed after the answer was found, and must come after it here too.
    mutating func handleMembershipAnswers()
    /// Reads what clients sent while they were paused.
    mutating func receiveUnpaused()
    /// Goes on with notifying the audiences of deleted projects.
    mutating func continueClosings()

    /// Reads notifications, in commit order, within the turn's budget.
    mutating func receiveNotifications()
    /// Acts on what is due because time has passed.
    mutating func runTimers()
    /// Asks the database for what clients have missed.
    mutating func askReads()
    /// Asks the database about memberships.
    mutating func askMemberships()
    /// Sends everything.
    mutating func flush()
    /// Tells epoll what changed, once for each client.
    mutating func applyInterests() throws(Failure)
    /// Closes what ended, and frees it.
    mutating func freeClosed() throws(Failure)
}

extension TurnPhases where Self: ~Copyable {
    /// What comes in.
    package mutating func runInboundPhases() throws(Failure) {
        try receiveReady()
        handleMembershipAnswers()
        receiveUnpaused()
        continueClosings()
    }

    /// What follows from it, and what goes out.
    package mutating func runOutboundPhases() throws(Failure) {
        receiveNotifications()
        runTimers()
        askReads()
        askMemberships()
        flush()
        try applyInterests()
        try freeClosed()
    }
}
