package import Reactor

/// One connection: everything that is kept about it outside of the hub, in 128 bytes.
///
/// What an idle connection doesn't have is an index of zero: bytes of an incomplete message, of an
/// incomplete frame or request head, and of what waits to be sent live in pools.
package struct Client: BitwiseCopyable {
    // What a broadcast looks at comes first.
    let descriptor: Int32
    package var queue = ClientQueue()
    private(set) var lifecycle = ClientLifecycle()
    package var flags: ClientFlags

    /// When something last arrived, in wheel ticks.
    package var heardTick: UInt32
    var decoder = FrameDecoder()
    package var head = RequestHeadParser()
    /// The fragments so far of a message that isn't complete.
    package var message = SegmentIndex.none
    /// The bytes so far of a request head, or of a frame's header, that isn't complete.
    package var leftover = SegmentIndex.none

    /// Who it is; until it has said so, the project that its URL named.
    private var identity = UUID(high: 0, low: 0)
    /// Where it comes from: whoever opened the connection, or for whom a proxy did that we trust.
    var peer: NetworkAddress
    /// When the connection was accepted.
    var openedTick: UInt32
    /// When the next ping is due.
    package var pingTick: UInt32 = 0
    /// By when the present phase must have ended; meaningless in `open`.
    package var deadlineTick: UInt32
    /// When the token expires.
    package var expiryTick: UInt32 = .max
    /// When the token expires, in seconds since 1970, for telling the client.
    var expiresAtSeconds: UInt32 = 0
    /// The close code that ended it, for the metrics; zero as long as none was sent or received.
    var closeCode: UInt16 = 0
    /// What the limits keep about it.
    package var allowance = ClientAllowance()

    init(
        descriptor: Int32, peer: NetworkAddress, flags: ClientFlags, nowTick: UInt32,
        deadlineTick: UInt32
    ) {
        self.descriptor = descriptor
        self.peer = peer
        self.flags = flags
        heardTick = nowTick
        openedTick = nowTick
        self.deadlineTick = deadlineTick
    }

    /// Who it is; only in `open`, and of what was `open`.
    package var user: UserID {
        get { identity }
        set {
            identity = newValue
            flags.remove(.namesProject)
        }
    }

    /// The project to join when the client has said who it is.
    package var requestedProject: ProjectID? {
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

    package var phase: ClientPhase { lifecycle.phase }

    /// Whether it is a WebSocket on which messages may still be sent.
    var isOpenForMessages: Bool { lifecycle.isOpenForMessages }

    /// Whether nothing is read of it for now.
    package var isPaused: Bool { !flags.isDisjoint(with: .pauses) }

    /// What the descriptor should be watched for.
    package var interest: Interest {
        var interest: Interest = []
        if !isPaused && !flags.contains(.readEnded) {
            interest.insert(.read)
        }
        if queue.marks.contains(.blocked) { interest.insert(.write) }
        return interest
    }

    /// Changes the phase. What follows from it is the caller's to do.
    package mutating func handle(_ event: ClientLifecycle.Event) -> ClientLifecycle.Duties {
        lifecycle.handle(event)
    }
}
