package import Reactor

/// Everything that the gateway knows and decides, as one value.
///
/// It takes bytes, payloads and instants in and leaves its effects behind as data: frames in send
/// queues and segments, and lists of the clients that have something to send, changed their
/// interest, or are to be freed. It touches no descriptor and no clock; the server around it does,
/// once per turn and in bulk.
package struct Core: ~Copyable {
    /// The core has kilobytes, and mustn't be copied to be looked at.
    private let place = AddressOnly()
    let settings: CoreSettings

    var clients: Slab<Client>
    package var hub: Hub
    package var segments = SegmentPool()
    package internal(set) var nodes = QueueNodePool()
    var timers: TimerWheel
    package var metrics = Metrics()
    package var log: EventLog
    package var verifier: TokenVerifier
    var jitter: Jitter
    var admission: Admission

    // The instant of this turn, in the forms that are needed.
    package private(set) var now: Instant
    package private(set) var nowTick: UInt32
    package private(set) var wall: Timestamp

    // What the phases of the turn have to do.

    /// Clients with something of their own to send.
    var dirty = IndexList()
    /// Clients whose interest may differ from what is registered.
    var interestChanged = IndexList()
    /// Slots below this one may have memory that is resident.
    var slotsTouched = 0
    /// Clients that are over, in the order in which they are freed.
    var gone = IndexList()

    // What is said about all.

    /// Resources that a resync speaks of: the tables with triggers.
    package var resources = ResourceList.seed
    /// How broadcasts are sent, for those who ask.
    package var sendMethod = SendMethod.send
    /// Whether the database announces changes to us now.
    package internal(set) var isListening = false
    /// Whether the last canary came back in time.
    package var isCanaryInTime = false
    /// Whether missed events can be read.
    package internal(set) var eventLog = EventLogState.unknown
    /// Everything before it has been heard; `nil` before the first sound.
    package internal(set) var cursor: Cursor?
    /// What is being read from the event log.
    var reads = ReadTable()
    /// When to look for clients that have waited for it for too long; `nil` while none waits.
    var readsCheck: Instant?
    /// By when the gateway's own catch-up must have ended; `nil` without one.
    var catchUpDeadline: Instant?
    /// Where a resync of every project has got to; `nil` when none is under way.
    var resyncCursor: Int?
    /// When the drain began; `nil` while it hasn't.
    package internal(set) var drain: Drain?

    /// What is being asked about who is a member of what, and what has to be asked again.
    var desk = MembershipDesk()
    var verifications = Verifications()
    /// Whether the database answers questions now.
    package internal(set) var canAsk = false
    /// Clients that waited for an answer, and whose next bytes can be taken in.
    var resumed = IndexList()
    /// Bytes of clients that wait.
    var heldBytes = 0
    /// Members that were looked at for removals in this turn.
    package internal(set) var membersScanned = 0
    /// Deleted projects whose audiences have still to be told.
    var closings: [ProjectClosing] = []

    /// The events of this turn for clients that look at several projects; `none` without any.
    var orderedSegment = SegmentIndex.none
    /// The same for those who take compressed messages; `none` while nobody needed it.
    var orderedPacked = SegmentIndex.none
    var orderedEvents: [OrderedEvent] = []

    /// `nil` when no client is offered it.
    var compression: MessageCompression?

    // Buffers that keep their memory.
    var text = ByteBuffer(capacity: 1_024)
    var frame = ByteBuffer(capacity: 1_024)
    var token = ByteBuffer(capacity: TokenVerifier.tokenBytesMax)
    /// The moments at which this turn's notifications were made, for the histogram.
    var announced: [Timestamp] = []

    /// The ping frame and `{"type":"ping"}`, shared by all.
    let keepalive: SegmentIndex

    package init(
        settings: CoreSettings, verifier: consuming TokenVerifier, log: consuming EventLog,
        now: Instant, wall: Timestamp
    ) {
        Limits.check()
        self.settings = settings
        self.verifier = verifier
        self.log = log
        self.now = now
        self.wall = wall
        nowTick = TimerWheel.tick(now)
        jitter = Jitter(seed: settings.jitterSeed)
        let slots = settings.connectionsMax + Limits.refusalSlots
        clients = Slab(capacity: slots)
        timers = TimerWheel(capacity: slots, now: nowTick)
        admission = Admission(
            settings.admission, connectionsMax: slots, seed: settings.jitterSeed)
        hub = Hub(
            clientCapacity: slots, projectsPerClientMax: Limits.projectsPerConnectionMax)
        announced.reserveCapacity(Limits.notificationsPerTurn)
        orderedEvents.reserveCapacity(Limits.notificationsPerTurn)
        compression = settings.compresses ? MessageCompression() : nil
        keepalive = Self.makeKeepalive(in: &segments, textPing: settings.textPing)
    }

    /// Begins a turn: everything in it happens at this instant.
    package mutating func beginTurn(now: Instant, wall: Timestamp) {
        self.now = now
        self.wall = wall
        nowTick = TimerWheel.tick(now)
        announced.removeAll(keepingCapacity: true)
        verifier.costlyChecksLeft = Limits.signatureChecksPerTurn
        membersScanned = 0
    }

    private static func makeKeepalive(
        in segments: inout SegmentPool, textPing: Bool
    ) -> SegmentIndex {
        var bytes = ByteBuffer(capacity: 64)
        FrameEncoder.writeHeader(.ping, payloadCount: 0, into: &bytes)
        if textPing {
            var text = ByteBuffer(capacity: 32)
            ServerMessage.writePing(into: &text)
            FrameEncoder.write(text, opcode: .text, into: &bytes)
        }
        return segments.make(of: bytes, frames: textPing ? 2 : 1)
    }
}
