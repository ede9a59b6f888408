import Reactor
import Testing

/// A server's session and a client's, with the ciphertext between them in a test's hands.
struct TLSPair: ~Copyable {
    var server: TLSSessionTable
    var client: TLSSessionTable
    private var area = ReceiveArea(receiveCapacity: 65_536, leftoverCapacity: 0)

    enum Side { case server, client }

    /// What one side made of what it received.
    struct Reading: Equatable {
        var bytes: [UInt8] = []
        var controls = 0
        /// How the reading ended.
        var end = TLSSessionTable.ReadResult.needsMore
    }

    init(_ certificate: borrowing TestCertificate, version: TLSVersion = .v1_3) throws {
        var server = try TLSSessionTable(capacity: 4)
        var client = try TLSSessionTable(capacity: 4)
        try server.accept(0, try certificate.context())
        try client.connect(0, try TLSContext.trustingClient(maximum: version))
        self.server = server
        self.client = client
    }

    /// A client that comes back with what it has kept of an earlier session.
    init(
        _ context: borrowing TLSContext, client clientContext: borrowing TLSContext,
        resuming saved: borrowing TLSSavedSession
    ) throws {
        var server = try TLSSessionTable(capacity: 4)
        var client = try TLSSessionTable(capacity: 4)
        try server.accept(0, context)
        try client.connect(0, clientContext, resuming: saved)
        self.server = server
        self.client = client
    }

    /// A client that comes for the first time.
    init(_ context: borrowing TLSContext, client clientContext: borrowing TLSContext) throws {
        var server = try TLSSessionTable(capacity: 4)
        var client = try TLSSessionTable(capacity: 4)
        try server.accept(0, context)
        try client.connect(0, clientContext)
        self.server = server
        self.client = client
    }

    /// Shakes hands and reads the ticket. Returns what the client keeps.
    mutating func begin() throws -> TLSSavedSession {
        shakeHands()
        let isEstablished = server.isEstablished(0) && client.isEstablished(0)
        try #require(isEstablished)
        _ = read(.client, take(.server))
        guard let saved = client.savedSession(0) else { throw NothingToSave() }
        return saved
    }

    private struct NothingToSave: Error {}

    /// A pair whose handshake is over.
    static func established(
        _ certificate: borrowing TestCertificate, version: TLSVersion = .v1_3
    ) throws -> TLSPair {
        var pair = try TLSPair(certificate, version: version)
        pair.shakeHands()
        let isEstablished = pair.server.isEstablished(0) && pair.client.isEstablished(0)
        try #require(isEstablished)
        _ = pair.read(.client, [])
        // The ticket.
        _ = pair.read(.client, pair.take(.server))
        return pair
    }

    /// To and fro until both have nothing to say.
    mutating func shakeHands(chunk: Int = 65_536) {
        _ = step(.client, [])
        for _ in 0..<8 {
            let toServer = take(.client)
            for start in stride(from: 0, to: toServer.count, by: chunk) {
                _ = step(.server, Array(toServer[start..<min(start + chunk, toServer.count)]))
            }
            guard !client.isEstablished(0) || !server.isEstablished(0) else { return }
            let toClient = take(.server)
            for start in stride(from: 0, to: toClient.count, by: chunk) {
                _ = step(.client, Array(toClient[start..<min(start + chunk, toClient.count)]))
            }
        }
    }

    /// One step of a side's handshake with what it receives; nothing when it is over.
    mutating func step(_ side: Side, _ bytes: [UInt8]) -> TLSSessionTable.HandshakeResult {
        switch side {
        case .server:
            server.receive(bytes.span)
            return server.isEstablished(0) ? .established : server.handshake(0)
        case .client:
            client.receive(bytes.span)
            return client.isEstablished(0) ? .established : client.handshake(0)
        }
    }

    /// The ciphertext that a side has written.
    mutating func take(_ side: Side) -> [UInt8] {
        switch side {
        case .server:
            let bytes = Self.copy(server.output)
            server.truncateOutput(to: 0)
            return bytes
        case .client:
            let bytes = Self.copy(client.output)
            client.truncateOutput(to: 0)
            return bytes
        }
    }

    mutating func seal(_ side: Side, _ bytes: [UInt8]) -> Bool {
        switch side {
        case .server: server.seal(bytes.span, for: 0)
        case .client: client.seal(bytes.span, for: 0)
        }
    }

    /// Lets a side read all that it receives.
    mutating func read(_ side: Side, _ ciphertext: [UInt8]) -> Reading {
        var reading = Reading()
        switch side {
        case .server: server.receive(ciphertext.span)
        case .client: client.receive(ciphertext.span)
        }
        while true {
            area.begin()
            let result =
                switch side {
                case .server: server.read(0, into: &area)
                case .client: client.read(0, into: &area)
                }
            switch result {
            case .bytes: reading.bytes += area.copy()
            case .control: reading.controls += 1
            case .needsMore, .endOfStream, .failed:
                reading.end = result
                return reading
            }
        }
    }

    private static func copy(_ span: borrowing Span<UInt8>) -> [UInt8] {
        span.indices.map { span[$0] }
    }
}
