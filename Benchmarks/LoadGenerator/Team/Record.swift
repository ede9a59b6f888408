/// What the conductor and its receivers tell each other: one packet of a socket pair each.
struct Record: BitwiseCopyable {
    var kind: Kind
    var a: UInt64 = 0
    var b: UInt64 = 0
    var c: UInt64 = 0

    enum Kind: UInt64, BitwiseCopyable {
        // MARK: To a receiver

        /// Open `a` connections more. `b` is the project of the first; the others follow round
        /// robin.
        case connect
        /// Forget what was counted, and count from here on.
        case begin
        /// Of project `a`, `b` messages were sent since the start: more than one each is missing
        /// where fewer came.
        case expect
        /// Answer with the counts, then `finished`.
        case report
        /// Stop reading on `a` of a thousand connections.
        case pause
        /// Read on everywhere.
        case resume
        /// Reset and reopen `a` of the unstable connections a second; none when it is zero.
        case churn
        /// Open `a` connections that churn, as `connect` does.
        case connectUnstable

        /// Send a ping from the first connection.
        case ping

        // MARK: To the conductor

        /// `a` connections are open, `b` could not be opened.
        case progress
        /// All that were asked for are open, or failed.
        case connected
        /// All clients of project `a` have message `b`, the last one since `c`, nanoseconds of
        /// the run.
        case done
        /// Counter `a` stands at `b`.
        case counter
        /// Histogram `a` has counted `c` in bucket `b`.
        case bucket
        case finished
    }

    init(_ kind: Kind, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0) {
        self.kind = kind
        self.a = a
        self.b = b
        self.c = c
    }
}

/// What receivers count.
enum Counter: UInt64, CaseIterable {
    case deliveries
    case lost
    case duplicates
    case outOfOrder
    case wrongProject
    /// Messages that tell a client to fetch everything again: it missed something and knows it.
    case resyncs
    /// Messages that no scenario has sent.
    case unknownMessages
    /// Frames that break RFC 6455.
    case protocolErrors
    /// Connections that ended though nobody asked for it.
    case disconnects
    case connectFailures
    /// Connections reopened by churn.
    case reconnects
    case keepalives
    /// Nanoseconds of this process.
    case cpu
    /// Slow readers that lost messages and were neither told so nor disconnected.
    case silentLosses
    /// Clients that stopped reading; those of them that got everything, and those that were told
    /// to fetch everything.
    case slowClients
    case slowComplete
    case slowTold
}

enum HistogramName: UInt64, CaseIterable {
    case delivery
    /// From connect(2) to the answer 101.
    case handshake
    /// From a ping to its pong.
    case roundTrip
    /// From pg_notify to the bare listener.
    case bareListener

    var text: String {
        switch self {
        case .delivery: "delivery"
        case .handshake: "handshake"
        case .roundTrip: "round_trip"
        case .bareListener: "bare_listener"
        }
    }
}
