internal import Gateway
internal import Logging
internal import Reactor

/// The core with its clients on socket pairs, and the phases of a turn as the server has them.
struct SteadyState: ~Copyable {
    static let project = ProjectID(high: 1, low: 1)
    static let otherProject = ProjectID(high: 1, low: 2)
    private static let secret: [UInt8] = Array("a secret of at least thirty-two bytes".utf8)
    private static let startSeconds: Int64 = 1_767_323_045

    var core: Core
    private var sockets: [SocketPair] = []
    private var clients: [ClientIndex] = []
    private var area = ReceiveArea(receiveCapacity: 65_536, leftoverCapacity: 16_384)
    private var transport = SendBatch()
    private var block = [UInt8](repeating: 0, count: 65_536)
    private var nanoseconds: UInt64 = 1_000_000_000_000
    /// What the outbound phases of the last turn took of the processor.
    private(set) var outboundNanoseconds: UInt64 = 0

    init(clientCount: Int) throws {
        var settings = CoreSettings(
            connectionsMax: clientCount, jitterSeed: 1)
        // The limits are looked at for each message, and too high to be met.
        settings.admission = .standard
        settings.admission.messagesPerSecond = 10_000
        settings.admission.connectionsPerUser = nil
        let secret = Self.secret
        let verifier = try TokenVerifier(secret: secret.span)
        core = Core(
            settings: settings, verifier: verifier,
            connectionIDs: try ConnectionIDs(key: secret.span),
            log: EventLog(format: .text, level: .critical),
            now: Instant(nanoseconds: nanoseconds),
            wall: Timestamp(unixSeconds: Self.startSeconds))
    }

    var clientCount: Int { clients.count }

    /// Opens WebSockets that look at the project, all of one user or each of its own.
    mutating func open(_ count: Int, ofOneUser: Bool = true) throws {
        let secret = Self.secret
        for position in 0..<count {
            let token = try TokenSigner.sign(
                user: UserID(high: 2, low: ofOneUser ? 1 : UInt64(position) + 1),
                expiresAt: Self.startSeconds + 1_000_000_000, secret: secret.span)
            let request =
                "GET /api/v1/messages/ws?token=\(token)&projectId=\(Self.project) HTTP/1.1\r\n"
                + "Host: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            let pair = SocketPair()
            guard let index = core.admit(descriptor: pair.ours, from: nil, at: .public) else {
                preconditionFailure("no place for another client")
            }
            sockets.append(pair)
            clients.append(index)
            pair.peerSends(Array(request.utf8))
        }
        receiveAll()
        _ = turn()
        precondition(core.metrics.connections == UInt64(clientCount))
    }

    /// Each client sends the bytes, and all of them are received.
    mutating func everybodySends(_ bytes: [UInt8]) {
        for position in sockets.indices { sockets[position].peerSends(bytes) }
        receiveAll()
    }

    /// The first client sends the bytes.
    mutating func firstSends(_ bytes: [UInt8]) {
        sockets[0].peerSends(bytes)
        receiveAll()
    }

    private mutating func receiveAll() {
        for position in clients.indices {
            core.restoreLeftover(of: clients[position], to: &area)
            guard case .bytes(let count) = area.receive(from: sockets[position].ours) else {
                continue
            }
            Self.receive(count, in: &area, from: clients[position], core: &core)
        }
    }

    private static func receive(
        _ count: Int, in area: inout ReceiveArea, from index: ClientIndex, core: inout Core
    ) {
        var bytes = area.bytes
        core.receive(&bytes, received: count, from: index)
    }

    /// The rest of a turn, and what comes into the next one. Returns how many bytes all peers got.
    mutating func turn(milliseconds: UInt64 = 1) -> Int {
        let before = Clock.processorNanoseconds()
        runOutboundPhases()
        outboundNanoseconds = Clock.processorNanoseconds() - before
        core.checkInvariants()
        nanoseconds += milliseconds * 1_000_000
        core.beginTurn(
            now: Instant(nanoseconds: nanoseconds),
            wall: Timestamp(unixSeconds: Self.startSeconds))
        runInboundPhases()
        var received = 0
        for position in sockets.indices {
            received += sockets[position].peerReads(into: &block)
        }
        return received
    }
}

// The phases of a turn; clients' bytes and notifications are handed over in between.
extension SteadyState: TurnPhases {
    mutating func receiveReady() {}
    mutating func handleMembershipAnswers() { core.handleMembershipAnswers() }
    mutating func answerResumes() { core.answerResumes() }
    mutating func receiveUnpaused() {}
    mutating func receiveNotifications() { core.continueResync() }
    mutating func runTimers() { while core.runTimers(heardEveryone: true) {} }
    mutating func askReads() {}
    mutating func askMemberships() { core.continueVerifications() }

    mutating func flush() {
        core.flush(to: &transport)
        core.observeFlush(wall: core.clock.wall)
    }

    mutating func applyInterests() { while core.dequeueInterestChange() != nil {} }
    mutating func freeClosed() {}
}
