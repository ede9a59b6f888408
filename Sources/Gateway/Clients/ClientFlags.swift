internal import Reactor

/// The facts about a client that need one bit.
package struct ClientFlags: OptionSet, BitwiseCopyable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// The connection came in through the admin listener.
    package static let admin = ClientFlags(rawValue: 1 << 0)
    /// It became a WebSocket, and counts as one.
    static let upgraded = ClientFlags(rawValue: 1 << 1)
    /// It stands in the list of clients whose interest may have changed.
    package static let interestListed = ClientFlags(rawValue: 1 << 3)
    /// The peer has ended its direction; there is nothing more to read.
    package static let readEnded = ClientFlags(rawValue: 1 << 6)
    /// The URL named a project, which is joined when the client has said who it is.
    static let namesProject = ClientFlags(rawValue: 1 << 12)
    /// At least one HTTP request was answered.
    package static let answered = ClientFlags(rawValue: 1 << 10)
    /// Its descriptor stands in epoll's interest list, for reading and for writing.
    static let registered = ClientFlags(rawValue: 1 << 8)
    static let registeredRead = ClientFlags(rawValue: 1 << 9)
    static let registeredWrite = ClientFlags(rawValue: 1 << 11)
    /// It asked for something that depends on an answer of the database, or, behind that, of other
    /// processes. Until it is there nothing more is read of it, so that its messages take effect in
    /// their order.
    package static let awaitsMembership = ClientFlags(rawValue: 1 << 13)
    /// An HTTP answer waits for its socket. Until it is sent no further request is read: a peer that
    /// doesn't read makes us keep one answer, not many.
    package static let awaitsAnswer = ClientFlags(rawValue: 1 << 2)
    /// Others are heard first: what the turn had for what clients say was used up.
    package static let awaitsTurn = ClientFlags(rawValue: 1 << 4)
    /// What keeps a client's bytes from being read.
    package static let pauses: ClientFlags = [.awaitsMembership, .awaitsAnswer, .awaitsTurn]
    /// What is kept of its bytes isn't half of something but was never looked at.
    package static let hasUnread = ClientFlags(rawValue: 1 << 5)

    /// It speaks TLS: its socket carries ciphertext.
    static let tls = ClientFlags(rawValue: 1 << 14)
    /// Its handshake was answered with permessage-deflate: it sends compressed messages, and takes
    /// them. Meant only once it is a WebSocket.
    static let deflates = ClientFlags(rawValue: 1 << 15)
    /// Its compressed messages may refer to those before them: it has promised nothing else.
    static let takesContextOver = ClientFlags(rawValue: 1 << 7)

    /// What it is registered for.
    var registeredInterest: Interest {
        get {
            var interest: Interest = []
            if contains(.registeredRead) { interest.insert(.read) }
            if contains(.registeredWrite) { interest.insert(.write) }
            return interest
        }
        set {
            subtract([.registeredRead, .registeredWrite])
            if newValue.contains(.read) { insert(.registeredRead) }
            if newValue.contains(.write) { insert(.registeredWrite) }
        }
    }
}
