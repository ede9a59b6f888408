package import Gateway

/// Something that happens in the world outside of the gateway, or the gateway's next turn. It speaks
/// of seats, users and projects by number, so it has a meaning, if only "nothing", whatever happened
/// before: a script stays one when actions are taken out of it.
package enum Action: Equatable, Sendable {
    // MARK: Clients

    /// A connection is made from the seat, unless it has one, and a handshake is sent.
    case connect(seat: Int, Greeting)
    /// The client sends something, the text in so many frames.
    case say(seat: Int, Utterance, frames: Int = 1)
    /// From here on the client's bytes arrive so many at a time; none with zero.
    case arrive(seat: Int, bytes: Int)
    /// From here on the client's socket takes so many bytes in a turn.
    case read(seat: Int, bytes: Int)
    /// The client sends nothing more.
    case end(seat: Int)
    /// The client's connection is reset, and epoll says so.
    case reset(seat: Int)
    /// The same, and the next send is the first to tell.
    case vanish(seat: Int)

    // MARK: The database

    case commit(Change)
    /// So many changes of the same project, in one transaction.
    case burst(project: Int, count: Int)
    /// Something that isn't a notification of ours.
    case malformed(Int)
    /// A role that may do nothing but connect says that something happened.
    case forge(Forgery)
    /// A trigger fails for a change, and nobody is told of it; the canary's answer shows it later.
    case loseChange(project: Int)
    /// The triggers of a table are switched off for a while, in which one of its rows changes.
    case silence(project: Int)
    /// A member is removed, and nobody says so.
    case removeUnheard(user: Int, project: Int)
    /// Whether what was committed is on its way, and not here.
    case holdNotifications(Bool)
    case loseListener
    case regainListener
    /// Whether questions wait to be answered until an action says so.
    case holdAnswers(Bool)
    /// The database finds the answers to all questions that it has.
    case look
    /// The answer to one of the questions arrives, or word that there is none.
    case answer(Int)
    case refuse(Int)
    case loseQueries
    case regainQueries
    /// A canary is sent, which comes among the notifications.
    case canary
    /// The event log forgets what is older than the last so many commits.
    case prune(kept: Int)

    /// An application sends a direct message in a transaction of its own, and commits it after those that other
    /// applications have begun since.
    case sendDirect(from: Int, to: Int)
    case commitDirect
    /// The oldest statements about direct messages are executed, and the oldest is answered.
    case executeDirect(Int)
    case answerDirect
    /// Whether their answers wait for that.
    case holdDirect(Bool)
    case forgeDirect(Int)
    /// The oldest statement, if it sends, fails as it is committed.
    case refuseDirect

    // MARK: Several gateways

    /// The same, but of what happens at each gateway only that at this one.
    indirect case at(node: Int, Action)
    /// From here on frames between the two are lost, or arrive again.
    case cut(Int, Int)
    case heal(Int, Int)
    /// How frames travel from here on.
    case carry(Weather)
    /// Whether the gateway has a carrier, of which it knows.
    case carrier(node: Int, isLive: Bool)
    /// The process ends, with a goodbye or killed. A new one takes its place when it begins.
    case stop(node: Int, saysGoodbye: Bool)
    case begin(node: Int)
    /// The process stands still, while the others go on, or goes on itself.
    case freeze(node: Int)
    case thaw(node: Int)

    // MARK: The program

    case drain
    /// A turn of the loop, and so much time after it.
    case turn(milliseconds: Int)
    /// So much time, in which the loop turns twice a second. After a single turn that takes as long
    /// the process has stood still.
    case pass(seconds: Int)
}

/// What happens to frames between gateways. Those of one for another stay in their order.
package struct Weather: Equatable, Sendable {
    /// One frame of so many is lost, or comes twice; none with zero.
    package var losesOneIn = 0
    package var repeatsOneIn = 0
    /// How long one may be on its way.
    package var millisecondsMax = 0

    package init() {}
}

/// How a client begins.
package struct Greeting: Equatable, Sendable {
    package enum Token: Equatable, Sendable {
        /// Valid for so many seconds.
        case valid(seconds: Int)
        case expired
        case forged
        /// None; an `init` may follow.
        case none
    }

    package var user: Int
    package var project: Int?
    package var token: Token
    package var address: Int
    /// Bytes of the handshake that are sent at all; the rest never comes.
    package var bytesMax: Int?
    /// Whether the connection's bytes are encrypted.
    package var speaksTLS = false
    /// Whether it offers permessage-deflate, and sends its messages compressed where it may.
    package var deflates = false
    /// Requests for the status of its project that are sent at once in place of a handshake.
    package var statusRequests = 0
}

/// What clients say.
package enum Utterance: Equatable, Sendable {
    case join(project: Int, keep: Bool)
    /// The same with a `since` of so many commits before.
    case resume(project: Int, commitsAgo: Int)
    /// The same, several times and without a reference, so that nothing answers it.
    case resumeSilently(project: Int, commitsAgo: Int, times: Int)
    case leave(project: Int?)
    /// `init` with a token of the user, when one is given.
    case initialize(user: Int?, project: Int?, seconds: Int)
    /// Says how it takes part in the project's presence.
    case presence(project: Int, PresenceWish)
    case typing(project: Int, topic: Int, stops: Bool)
    /// A direct message, one of a handful of ids; all those the client has got; what waits for its user.
    case direct(to: Int, id: Int, bytes: Int)
    case acknowledge
    case inbox
    case ping
    case pong
    case pingFrame(bytes: Int)
    case pongFrame
    case unknownType
    case notJSON
    case close(code: Int?)
    /// Something that no client may send.
    case violation(Int)
    case noise(UInt64)
}

/// What didn't happen.
package enum Forgery: Equatable, Sendable {
    /// A change with a cursor of so many commits ahead.
    case event(project: Int, ahead: Int)
    case removal(user: Int, project: Int)
    case removals(project: Int)
    case end(project: Int)
}

/// A transaction.
package enum Change: Equatable, Sendable {
    case event(project: Int)
    case addMember(user: Int, project: Int)
    case removeMember(user: Int, project: Int)
    /// Removed and added again at once.
    case replaceMember(user: Int, project: Int)
    /// Every second member is removed; the notification doesn't say who.
    case removeSomeMembers(project: Int)
    case deleteProject(Int)
}
