import Gateway
import Testing

/// Every event in every phase, beside a table that was written from the protocols and not from the
/// code: RFC 6455 §7 for Close frames, RFC 8446 §6.1 for the end of TLS, RFC 9112 §9 for requests.
private struct LifecycleTable {
    typealias Event = ClientLifecycle.Event
    typealias Duties = ClientLifecycle.Duties

    enum Cell: Equatable {
        /// A mistake of ours, which traps.
        case impossible
        case becomes(ClientPhase, Duties)
    }

    static let phases: [ClientPhase] = [
        .proxyHeader, .request, .awaitingInit, .open, .closing, .draining, .finished, .flushing,
        .closed,
    ]

    /// A letter for each phase: the new one, `!` for a trap and `=` for an event that comes too late.
    /// Behind it the duties: m ends messages, c queues Close, d sets the deadline, f flushes, n
    /// finishes sending, x frees.
    static let rows: [(event: Event, cells: String)] = [
        (.proxyHeaderAwaited, "!  P  !     !     !   !   !  !   !"),
        (.proxyHeaderReceived, "R  =  =     =     =   =   =  =   ="),
        (.upgraded, "!  I  !     !     !   !   !  !   !"),
        (.authenticated, "!  !  O     O     !   !   !  !   !"),
        (.closeSent, "=  =  Cmcd  Cmcd  =   =   =  =   ="),
        (.protocolViolated, "=  =  Dmcdf Dmcdf Df  =   =  =   ="),
        (.lastAnswerQueued, "=  Ddf =    =     =   =   =  =   ="),
        (.closeReceived, "=  =  Lmcd  Lmcd  Lf  =   =  =   ="),
        (.endReceived(hasOutput: true), "Xx L Xx    Xx    Xx  Xx  Xx L   ="),
        (.endReceived(hasOutput: false), "Xx Xx Xx   Xx    Xx  Xx  Xx Xx  ="),
        (.secureEndReceived, "Lmdf Lmdf Lmdf Lmdf Lf Lf Xx Lf ="),
        (.secureSessionFailed, "Dmdf Dmdf Dmdf Dmdf Df Df = Df ="),
        (.outputSent, "=  =  =     =     =   Fn  =  Xx  ="),
        (.connectionLost, "Xx Xx Xx    Xx    Xx  Xx  Xx Xx  ="),
    ]

    static func cell(_ row: Int, _ phase: ClientPhase) -> Cell {
        let cells = rows[row].cells.split(separator: " ")
        precondition(cells.count == phases.count)
        let text = cells[Int(phase.rawValue)]
        switch text.first {
        case "!": return .impossible
        case "=": return .becomes(phase, [])
        default: return .becomes(self.phase(text.first), duties(text.dropFirst()))
        }
    }

    private static func phase(_ letter: Character?) -> ClientPhase {
        let letters: [Character] = ["P", "R", "I", "O", "C", "D", "F", "L", "X"]
        guard let position = letters.firstIndex(where: { $0 == letter }) else {
            preconditionFailure("a letter that is no phase")
        }
        return phases[position]
    }

    private static func duties(_ letters: Substring) -> Duties {
        let all: [Character: Duties] = [
            "m": .endMessages, "c": .queueClose, "d": .setCloseDeadline, "f": .flush,
            "n": .finishSending, "x": .free,
        ]
        return letters.reduce(into: []) { $0.formUnion(all[$1] ?? []) }
    }

    /// Events that lead to a phase.
    static func way(to phase: ClientPhase) -> [Event] {
        switch phase {
        case .proxyHeader: [.proxyHeaderAwaited]
        case .request: []
        case .awaitingInit: [.upgraded]
        case .open: [.upgraded, .authenticated]
        case .closing: [.upgraded, .closeSent]
        case .draining: [.lastAnswerQueued]
        case .finished: [.lastAnswerQueued, .outputSent]
        case .flushing: [.upgraded, .closeReceived]
        case .closed: [.connectionLost]
        }
    }

    static func lifecycle(in phase: ClientPhase) -> ClientLifecycle {
        var lifecycle = ClientLifecycle()
        for event in way(to: phase) { _ = lifecycle.handle(event) }
        return lifecycle
    }
}

/// What may happen at most once in a connection's life.
private struct LifecycleLedger {
    var ends = 0
    var closes = 0
    var deadlines = 0
    var deadlinesAfterEnd = 0
    var finishes = 0
    var frees = 0

    mutating func note(_ duties: ClientLifecycle.Duties) {
        if duties.contains(.endMessages) { ends += 1 }
        if duties.contains(.queueClose) { closes += 1 }
        if duties.contains(.setCloseDeadline) {
            deadlines += 1
            if ends > 0 { deadlinesAfterEnd += 1 }
        }
        if duties.contains(.finishSending) { finishes += 1 }
        if duties.contains(.free) { frees += 1 }
    }
}

@Suite struct ClientLifecycleBehaviour {
    @Test(arguments: LifecycleTable.rows.indices)
    func `an event leads from each phase to the next, and asks for what follows`(row: Int) {
        let event = LifecycleTable.rows[row].event
        for phase in LifecycleTable.phases {
            var lifecycle = LifecycleTable.lifecycle(in: phase)
            #expect(lifecycle.phase == phase)
            guard case .becomes(let next, let duties) = LifecycleTable.cell(row, phase) else {
                continue
            }
            let asked = lifecycle.handle(event)
            #expect(lifecycle.phase == next, "\(event) in \(phase)")
            #expect(asked == duties, "\(event) in \(phase)")
        }
    }

    @Test func `the table knows every phase`() {
        #expect(LifecycleTable.phases == ClientPhase.allCases)
        #expect(LifecycleTable.phases.map { Int($0.rawValue) } == Array(0..<9))
    }

    @Test func `only an open WebSocket takes messages, with a user or without`() {
        let open = LifecycleTable.phases.filter {
            LifecycleTable.lifecycle(in: $0).isOpenForMessages
        }
        #expect(open == [.awaitingInit, .open])
    }

    @Test func `whatever happens, each end comes once, and over is over`() {
        var random = WebSocketTesting.Random.seeded(for: "lifecycles")
        for _ in 0..<20_000 {
            var lifecycle = ClientLifecycle()
            var ledger = LifecycleLedger()
            for _ in 0..<30 {
                let row = random.below(LifecycleTable.rows.count)
                guard LifecycleTable.cell(row, lifecycle.phase) != .impossible else { continue }
                let wasClosed = lifecycle.phase == .closed
                let duties = lifecycle.handle(LifecycleTable.rows[row].event)
                ledger.note(duties)
                guard wasClosed else { continue }
                #expect(lifecycle.phase == .closed)
                #expect(duties == [])
            }
            #expect(ledger.ends <= 1)
            #expect(ledger.closes <= 1)
            #expect(ledger.deadlines <= 1)
            #expect(ledger.deadlinesAfterEnd <= 1)
            #expect(ledger.finishes <= 1)
            #expect(ledger.frees == (lifecycle.phase == .closed ? 1 : 0))
        }
    }

    @Test func `what isn't a request becomes no WebSocket`() async {
        await #expect(processExitsWith: .failure) {
            var lifecycle = ClientLifecycle()
            _ = lifecycle.handle(.lastAnswerQueued)
            _ = lifecycle.handle(.upgraded)
        }
    }

    @Test func `what isn't a WebSocket has no user`() async {
        await #expect(processExitsWith: .failure) {
            var lifecycle = ClientLifecycle()
            _ = lifecycle.handle(.authenticated)
        }
    }

    /// The event put every connection, even one that was over, back to its beginning.
    @Test func `what has begun awaits no PROXY header`() async {
        await #expect(processExitsWith: .failure) {
            var lifecycle = ClientLifecycle()
            _ = lifecycle.handle(.connectionLost)
            _ = lifecycle.handle(.proxyHeaderAwaited)
        }
    }
}
