internal import Gateway
internal import GatewayHarness
internal import Reactor

/// One connection, from the peer's side and the kernel's.
struct Peer {
    let seat: Int
    let greeting: Greeting
    let connectedAt: Instant
    /// The core's name for it; of no meaning once it is freed.
    var index: ClientIndex = 0
    var hearing: Hearing

    // Towards the gateway.

    /// What the client has said and what hasn't arrived.
    var outbox: [UInt8] = []
    var arrivingBytes = Int.max
    var isEnded = false
    var isReset = false
    /// It is gone, and only a send finds out.
    var isVanished = false
    var lastArrival: Instant
    /// The same in the time in which the process didn't stand still.
    var lastArrivalAwake: UInt64 = 0
    var longestSilence: UInt64 = 0

    /// Who it may be, and of which projects it has said that it is present, or invisible: of several
    /// gateways.
    var mayBe: Set<Int> = []
    var claims: Set<Int> = []
    var hides: Set<Int> = []

    // From the gateway.

    /// Bytes that the socket takes in a turn, and those of them that are left of this one.
    var readingBytes = Int.max
    var room = Int.max
    /// What came in this turn.
    var received: [UInt8] = []
    /// Of a connection whose bytes are encrypted: what it makes of them, and what its socket didn't
    /// take yet.
    private var opener = MadeUpRecords.Opener()
    var kept: [UInt8] = []
    /// Whether the gateway has said that it sends nothing more.
    var hasEnded = false
    /// Whether the last send wasn't taken whole, and when the socket last took something.
    var isShort = false
    var wasShort = false
    var lastTaken: Instant
    /// When it became a WebSocket, and when a Close frame came.
    var openedAt: Instant?
    var closedAt: Instant?
    /// Whether our direction was ended, and the descriptor given back.
    var isFinished = false
    var isFreed = false
    var interest: Interest = []

    init(seat: Int, _ greeting: Greeting, _ hearing: Hearing, now: Instant) {
        self.seat = seat
        self.greeting = greeting
        self.hearing = hearing
        mayBe = [greeting.user]
        connectedAt = now
        lastArrival = now
        lastTaken = now
    }

    /// Whether it keeps to the protocol, waits for nothing, and all bytes arrive at once.
    var isPrompt: Bool {
        hearing.isOpen && !hearing.isLawless && !hearing.isWaiting && outbox.isEmpty && !isEnded
            && !isReset && !isVanished && !wasShort && readingBytes == .max && arrivingBytes == .max
    }

    /// What it says of itself, as far as others may hear of it.
    mutating func note(_ utterance: Utterance) {
        switch utterance {
        case .presence(let project, let wish) where wish.mode != .off:
            claims.insert(project)
            if wish.isInvisible { hides.insert(project) }
        case .initialize(let user?, _, _): mayBe.insert(user)
        default: break
        }
    }

    /// What came in this turn, decrypted.
    mutating func open() -> [UInt8] {
        defer { received = [] }
        return greeting.speaksTLS ? opener.open(received) : received
    }

    /// The gateway hears of the client.
    mutating func hear(at now: Instant, awake nanoseconds: UInt64) {
        lastArrivalAwake = nanoseconds
        longestSilence = max(longestSilence, now.nanoseconds(since: lastArrival))
        lastArrival = now
    }

    /// Takes what there is room for.
    mutating func take(_ bytes: UnsafeRawBufferPointer, now: Instant) -> SendResult {
        if isVanished || isReset { return .failed }
        if !isShort { lastTaken = now }
        let count = min(bytes.count, room)
        isShort = count < bytes.count
        if isShort { wasShort = true }
        guard count > 0 else { return .wouldBlock }
        unsafe received.append(contentsOf: bytes[..<count])
        if room != .max { room -= count }
        lastTaken = now
        return .sent(count)
    }
}
