internal import Gateway

/// One client of the server under test.
struct Connection: BitwiseCopyable {
    var descriptor: Int32 = -1
    var phase = Phase.none
    /// Lives for the whole run, so everything sent must reach it. One that churns comes and goes.
    var isStable = true
    /// Doesn't read for now.
    var isPaused = false
    /// Was told that it missed something.
    var wasResynced = false
    var project: UInt32 = 0
    var order = OrderCheck()
    var decoder = FrameDecoder()
    /// When connecting began, nanoseconds of the run.
    var began: UInt64 = 0
    /// How often opening it was tried.
    var attempts: UInt8 = 0

    enum Phase: UInt8, BitwiseCopyable {
        case none
        case connecting
        /// TLS is being agreed upon.
        case securing
        case awaitingAnswer
        case open
        case closed
    }
}

/// Whether the messages of one project reach one client each once and in order.
struct OrderCheck: BitwiseCopyable {
    /// The number of the next message; zero while none was seen and none is known.
    private(set) var next: UInt32 = 0
    /// Bit *i* says that message `next - 1 - i` has come.
    private var recent: UInt64 = 0
    private(set) var missing: UInt32 = 0

    enum Verdict: BitwiseCopyable {
        case inOrder
        /// So many messages before it are missing up to now.
        case gap(UInt32)
        /// One that was missing.
        case late
        case duplicate
    }

    init(expectingFrom first: UInt32 = 0) {
        next = first
    }

    // Hot path.
    mutating func take(_ sequence: UInt32) -> Verdict {
        if sequence == next || next == 0 {
            next = sequence &+ 1
            recent = recent << 1 | 1
            return .inOrder
        }
        if sequence > next {
            let gap = sequence - next
            next = sequence &+ 1
            missing += gap
            recent = gap < 63 ? recent << UInt64(gap + 1) | 1 : 1
            return .gap(gap)
        }
        let age = next - 1 - sequence
        guard age < 64, recent & (1 << UInt64(age)) == 0, missing > 0 else { return .duplicate }
        recent |= 1 << UInt64(age)
        missing -= 1
        return .late
    }

    /// Messages that haven't come, of `sent`.
    func missing(of sent: UInt32) -> UInt32 {
        guard next > 0, sent + 1 > next else { return missing }
        return missing + (sent + 1 - next)
    }
}
