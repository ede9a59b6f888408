internal import Gateway
internal import Reactor

/// Takes the clients' bytes apart, checks what came, and counts it.
struct Inbox: ~Copyable {
    /// Messages of one project that can be under way at the same time.
    static let windowMax = 256

    let origin: Instant
    var counters = ContiguousArray<UInt64>(repeating: 0, count: Counter.allCases.count)
    var delivery = LatencyHistogram()
    var handshake = LatencyHistogram()
    var roundTrip = LatencyHistogram()

    /// Clients of each project that take part in `done`.
    var audience: ContiguousArray<UInt32>
    /// How many of them have each message of the window, project by project.
    private var arrived: ContiguousArray<UInt32>
    /// `done` is reported for every message whose number this divides.
    private let reportsEvery: UInt32
    /// `done` reports that wait to be sent.
    var reports: ContiguousArray<Record> = []

    /// The beginnings of messages and of frame headers that came in pieces.
    private var pieces: [UInt32: [UInt8]] = [:]
    var leftovers: [UInt32: [UInt8]] = [:]
    /// What a client has to answer: pongs and closes.
    var answer = ByteBuffer()

    private static let limits = MessageLimits(
        messageBytesMax: 1 << 20, acceptsBinary: true, role: .client)

    init(origin: Instant, projects: Int, reportsEvery: Int) {
        self.origin = origin
        self.reportsEvery = UInt32(reportsEvery)
        audience = ContiguousArray(repeating: 0, count: projects)
        arrived = ContiguousArray(repeating: 0, count: projects * Self.windowMax)
    }

    mutating func count(_ counter: Counter, _ amount: UInt64 = 1) {
        counters[Int(counter.rawValue)] += amount
    }

    mutating func beginCounting() {
        for index in counters.indices { counters[index] = 0 }
        delivery.removeAll()
        handshake.removeAll()
        roundTrip.removeAll()
    }

    mutating func forget(_ index: UInt32) {
        pieces[index] = nil
        leftovers[index] = nil
    }

    // Hot path.
    /// Reads all frames in `area`, which came at `now`. Returns `false` when the connection is
    /// over.
    mutating func read(
        _ area: inout ReceiveArea, of index: UInt32, _ connection: inout Connection,
        at now: UInt64
    ) -> Bool {
        var bytes = area.bytes
        var position = 0
        while true {
            let event = connection.decoder.next(
                in: &bytes, at: &position, limits: Self.limits)
            switch event {
            case .incomplete:
                if position < bytes.count {
                    leftovers[index] = Self.copy(
                        bytes.span.extracting(position..<bytes.count))
                }
                return true
            case .data(let payload, _, let endsMessage):
                take(
                    bytes.span.extracting(payload), endsMessage: endsMessage, of: index,
                    &connection, at: now)
            case .control(.ping, let payload):
                count(.keepalives)
                FrameEncoder.writeMasked(
                    bytes.span.extracting(payload), opcode: .pong, key: 0x5A5A_A5A5,
                    into: &answer)
            case .control(.close, _):
                return false
            case .control(_, let payload):
                takePong(bytes.span.extracting(payload), at: now)
            case .compressed, .failure:  // The first was never agreed upon.
                count(.protocolErrors)
                return false
            }
        }
    }

    /// The payload of our pings is the time at which they left.
    private mutating func takePong(_ payload: borrowing Span<UInt8>, at now: UInt64) {
        guard payload.count == 8 else { return }
        var sent: UInt64 = 0
        for index in 0..<8 { sent |= UInt64(payload[index]) << UInt64(index * 8) }
        roundTrip.record(now - min(now, sent))
    }

    private mutating func take(
        _ payload: borrowing Span<UInt8>, endsMessage: Bool, of index: UInt32,
        _ connection: inout Connection, at now: UInt64
    ) {
        if endsMessage && pieces.isEmpty {
            takeMessage(payload, &connection, at: now)
            return
        }
        guard endsMessage else {
            pieces[index, default: []] += Self.copy(payload)
            return
        }
        guard var whole = pieces.removeValue(forKey: index) else {
            takeMessage(payload, &connection, at: now)
            return
        }
        whole += Self.copy(payload)
        takeMessage(whole.span, &connection, at: now)
    }

    // Hot path.
    private mutating func takeMessage(
        _ text: borrowing Span<UInt8>, _ connection: inout Connection, at now: UInt64
    ) {
        guard let marker = Marker(in: text) else {
            takeOther(text, &connection)
            return
        }
        guard marker.project == connection.project else {
            count(.wrongProject)
            return
        }
        count(.deliveries)
        delivery.record(now > marker.sentNanoseconds ? now - marker.sentNanoseconds : 0)
        switch connection.order.take(marker.sequence) {
        case .inOrder, .gap: break  // What is missing is counted at the end.
        case .late: count(.outOfOrder)
        case .duplicate:
            count(.duplicates)
            return
        }
        guard connection.isStable && !connection.isPaused else { return }
        noteArrival(marker, at: now)
    }

    // Hot path.
    private mutating func noteArrival(_ marker: Marker, at now: UInt64) {
        let project = Int(marker.project)
        let slot = project * Self.windowMax + Int(marker.sequence) % Self.windowMax
        arrived[slot] += 1
        guard arrived[slot] == audience[project] else { return }
        arrived[slot] = 0
        guard marker.sequence % reportsEvery == 0 else { return }
        reports.append(Record(.done, UInt64(project), UInt64(marker.sequence), now))
    }

    @inline(never)
    private mutating func takeOther(
        _ text: borrowing Span<UInt8>, _ connection: inout Connection
    ) {
        let message = unsafe text.withUnsafeBufferPointer { bytes in
            unsafe String(decoding: bytes, as: UTF8.self)
        }
        if message.contains("RESYNC") {
            count(.resyncs)
            connection.wasResynced = true
        } else if message.contains("ping") || message.contains("pong") {
            count(.keepalives)
        } else {
            count(.unknownMessages)
        }
    }

    private static func copy(_ bytes: borrowing Span<UInt8>) -> [UInt8] {
        unsafe bytes.withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }
}
