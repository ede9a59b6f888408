internal import Reactor

/// What a connection is at.
enum ClientPhase: UInt8 {
    /// The header is awaited or being received in which a load balancer says for whom it comes.
    case proxyHeader
    /// An HTTP request is awaited or being received.
    case request
    /// A WebSocket that has yet to say who it is.
    case awaitingInit
    /// A WebSocket with a user.
    case open
    /// Our Close frame is queued or sent; the peer's is awaited.
    case closing
    /// What is queued goes out, then our direction ends, and whatever still comes is thrown away
    /// until the peer has finished too: closing at once would let the kernel answer unread bytes
    /// with a reset, which can overtake our last words.
    case draining
    /// What is queued goes out, then the socket is closed: the peer has said all that it will.
    case flushing
    /// Over. The slot is freed, and the descriptor closed, at the end of a turn.
    case gone
}

/// The facts about a client that need one bit.
struct ClientFlags: OptionSet, BitwiseCopyable {
    let rawValue: UInt16

    /// The connection came in through the admin listener.
    static let admin = ClientFlags(rawValue: 1 << 0)
    /// It became a WebSocket, and counts as one.
    static let upgraded = ClientFlags(rawValue: 1 << 1)
    /// It stands in the list of clients that have something of their own to send.
    static let dirty = ClientFlags(rawValue: 1 << 2)
    /// It stands in the list of clients whose interest may have changed.
    static let interestListed = ClientFlags(rawValue: 1 << 3)
    /// The socket took less than it was offered; epoll tells when it takes more.
    static let blocked = ClientFlags(rawValue: 1 << 4)
    /// Its queue was dropped, and it is owed a resync of the projects concerned.
    static let collapsed = ClientFlags(rawValue: 1 << 5)
    /// The peer has ended its direction; there is nothing more to read.
    static let readEnded = ClientFlags(rawValue: 1 << 6)
    /// Our direction was ended (FIN).
    static let writeEnded = ClientFlags(rawValue: 1 << 7)
    /// The URL named a project, which is joined when the client has said who it is.
    static let namesProject = ClientFlags(rawValue: 1 << 12)
    /// At least one HTTP request was answered.
    static let answered = ClientFlags(rawValue: 1 << 10)
    /// Its descriptor stands in epoll's interest list, for reading and for writing.
    static let registered = ClientFlags(rawValue: 1 << 8)
    static let registeredRead = ClientFlags(rawValue: 1 << 9)
    static let registeredWrite = ClientFlags(rawValue: 1 << 11)
    /// It asked for something that depends on an answer of the database. Until it is there nothing
    /// more is read of it, so that its messages take effect in their order.
    static let awaitsMembership = ClientFlags(rawValue: 1 << 13)

    /// It speaks TLS: its socket carries ciphertext.
    static let tls = ClientFlags(rawValue: 1 << 14)
    /// Its handshake was answered with permessage-deflate: it sends compressed messages, and takes
    /// them. Meant only once it is a WebSocket.
    static let deflates = ClientFlags(rawValue: 1 << 15)

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

/// One connection: everything that is kept about it outside of the hub, in 128 bytes.
///
/// What an idle connection doesn't have is an index of zero: bytes of an incomplete message, of an
/// incomplete frame or request head, and of what waits to be sent live in pools.
struct Client: BitwiseCopyable {
    // What a broadcast looks at comes first.
    let descriptor: Int32
    var phase: ClientPhase
    var flags: ClientFlags
    var queue = SendQueue()

    /// When something last arrived, in wheel ticks.
    var heardTick: UInt32
    var decoder = FrameDecoder()
    var head = RequestHeadParser()
    /// The fragments so far of a message that isn't complete.
    var message = SegmentIndex.none
    /// The bytes so far of a request head, or of a frame's header, that isn't complete.
    var leftover = SegmentIndex.none

    /// Who it is; until it has said so, the project that its URL named.
    private var identity = UUID(high: 0, low: 0)
    /// Where it comes from: whoever opened the connection, or for whom a proxy did that we trust.
    var peer: NetworkAddress
    /// When the connection was accepted.
    var openedTick: UInt32
    /// When the next ping is due.
    var pingTick: UInt32 = 0
    /// By when the present phase must have ended; meaningless in `open`.
    var deadlineTick: UInt32
    /// When the token expires.
    var expiryTick: UInt32 = .max
    /// When the socket last took a byte while something waited for it.
    var progressTick: UInt32 = 0
    /// When the token expires, in seconds since 1970, for telling the client.
    var expiresAtSeconds: UInt32 = 0
    /// The close code that ended it, for the metrics; zero as long as none was sent or received.
    var closeCode: UInt16 = 0
    /// What the limits keep about it.
    var allowance = ClientAllowance()

    init(
        descriptor: Int32, peer: NetworkAddress, flags: ClientFlags, nowTick: UInt32,
        deadlineTick: UInt32
    ) {
        self.descriptor = descriptor
        self.peer = peer
        phase = .request
        self.flags = flags
        heardTick = nowTick
        openedTick = nowTick
        self.deadlineTick = deadlineTick
    }

    /// Who it is; only in `open`, and of what was `open`.
    var user: UserID {
        get { identity }
        set {
            identity = newValue
            flags.remove(.namesProject)
        }
    }

    /// The project to join when the client has said who it is.
    var requestedProject: ProjectID? {
        get { flags.contains(.namesProject) ? identity : nil }
        set {
            identity = newValue ?? UUID(high: 0, low: 0)
            if newValue == nil {
                flags.remove(.namesProject)
            } else {
                flags.insert(.namesProject)
            }
        }
    }

    /// Whether it is a WebSocket on which messages may still be sent.
    var takesMessages: Bool {
        phase == .open || phase == .awaitingInit
    }

    /// Hot path. Whether a broadcast can go to the socket at once, since nothing is before it.
    var takesBroadcastDirectly: Bool {
        queue.isEmpty && !flags.contains(.collapsed)
    }
}
