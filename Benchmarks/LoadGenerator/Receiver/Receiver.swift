internal import Gateway
internal import Reactor

/// One process of the load generator: opens clients, reads what they are sent, and checks it.
struct Receiver: ~Copyable {
    let settings: ReceiverSettings
    let channel: RecordChannel
    let acceptValue: [UInt8]
    var poller: Poller
    var connections: ReservedTable<Connection>
    /// TLS, for a target that speaks it.
    var secure: SecureSide?
    var area = ReceiveArea(receiveCapacity: 1 << 18, leftoverCapacity: 1 << 16)
    var inbox: Inbox
    var request = ByteBuffer(capacity: 1_024)

    /// Connections made so far; the next one has this index.
    var used: UInt32 = 0
    /// Connections that are being opened.
    var opening = 0
    var open = 0
    var failed = 0
    /// Connections that a command asked for and that wait for a place in the window.
    var wanted = 0
    var nextProject = 0
    /// Whether those are stable ones.
    var wantsStable = true
    /// Indices of unstable connections that are open or were reset.
    var unstable: ContiguousArray<UInt32> = []
    var churn = Churn()
    var cpuAtBegin: UInt64 = 0
    var lastProgress: UInt64 = 0

    static let channelHandle = Handle(kind: 1, index: 0, generation: 0)

    init(_ settings: ReceiverSettings) throws {
        // What can fail comes first: a noncopyable value can't be left half made.
        let channel = RecordChannel(descriptor: RecordChannel.childDescriptor)
        let acceptValue = try Target.acceptValue()
        let poller = try Poller()
        let secure =
            settings.target.isSecure ? try SecureSide(capacity: settings.capacity) : nil
        try poller.add(channel.descriptor, handle: Self.channelHandle, interest: .read)
        self.settings = settings
        self.channel = channel
        self.acceptValue = acceptValue
        self.poller = poller
        self.secure = secure
        connections = ReservedTable(
            capacity: settings.capacity, of: Connection.self, zeroIsValid: true)
        inbox = Inbox(
            origin: settings.origin, projects: settings.projects,
            reportsEvery: settings.reportsEvery)
    }

    /// Until the conductor is gone.
    mutating func run() throws {
        while true {
            let count = try poller.wait(nanoseconds: churn.patience(at: now()))
            for position in 0..<count {
                let handle = poller.handle(at: position)
                if handle == Self.channelHandle {
                    guard try takeCommands() else { return }
                } else {
                    take(handle.index, poller.readiness(at: position))
                }
            }
            sendReports()
            try openMore()
            try runChurn()
        }
    }

    func now() -> UInt64 {
        Clock.monotonic().nanoseconds(since: settings.origin)
    }

    // MARK: Commands

    private mutating func takeCommands() throws -> Bool {
        while true {
            switch channel.receive(waiting: false) {
            case .nothing: return true
            case .closed: return false
            case .record(let record): try takeCommand(record)
            }
        }
    }

    private mutating func takeCommand(_ command: Record) throws {
        switch command.kind {
        case .connect, .connectUnstable:
            wanted = Int(command.a)
            nextProject = Int(command.b)
            wantsStable = command.kind == .connect
            failed = 0
            reportIfConnected()
        case .begin:
            inbox.beginCounting()
            cpuAtBegin = ProcessFigures.current().cpuNanoseconds
        case .expect: countMissing(ofProject: UInt32(command.a), sent: UInt32(command.b))
        case .report: report()
        case .pause: try pause(share: Int(command.a))
        case .resume: try resume()
        case .ping: sendPing()
        case .churn: churn.start(perSecond: Int(command.a), at: now())
        case .progress, .connected, .done, .counter, .bucket, .finished: break
        }
    }

    private func report() {
        for counter in Counter.allCases {
            var value = inbox.counters[Int(counter.rawValue)]
            if counter == .cpu { value = ProcessFigures.current().cpuNanoseconds - cpuAtBegin }
            channel.send(Record(.counter, counter.rawValue, value))
        }
        send(inbox.delivery, as: .delivery)
        send(inbox.handshake, as: .handshake)
        send(inbox.roundTrip, as: .roundTrip)
        channel.send(Record(.finished))
    }

    private func send(_ histogram: LatencyHistogram, as name: HistogramName) {
        for bucket in 0..<LatencyHistogram.bucketCount where histogram.counts[bucket] > 0 {
            channel.send(
                Record(.bucket, name.rawValue, UInt64(bucket), histogram.counts[bucket]))
        }
    }

    mutating func sendReports() {
        guard !inbox.reports.isEmpty else { return }
        for report in inbox.reports { channel.send(report) }
        inbox.reports.removeAll(keepingCapacity: true)
    }

    // MARK: Completeness

    private mutating func countMissing(ofProject project: UInt32, sent: UInt32) {
        for index in 0..<used {
            let connection = connections[index]
            guard connection.project == project, connection.isStable,
                connection.phase == .open || connection.phase == .closed
            else { continue }
            let missing = UInt64(connection.order.missing(of: sent))
            if connection.isPaused {
                countSlow(connection, missing: missing)
            } else if connection.phase == .open {
                inbox.count(.lost, missing)
            }
        }
    }

    /// Slow ones may be told to fetch everything, or be thrown out; not neither.
    private mutating func countSlow(_ connection: Connection, missing: UInt64) {
        inbox.count(.slowClients)
        if missing == 0 {
            inbox.count(.slowComplete)
        } else if connection.wasResynced {
            inbox.count(.slowTold)
        } else if connection.phase == .open {
            inbox.count(.silentLosses, missing)
        }
    }

    // MARK: Slow readers

    private mutating func pause(share: Int) throws {
        for index in 0..<used where Int(index * 617 % 1_000) < share {
            guard connections[index].phase == .open, connections[index].isStable else { continue }
            connections[index].isPaused = true
            inbox.audience[Int(connections[index].project)] -= 1
            try poller.modify(
                connections[index].descriptor, handle: handle(of: index), interest: [])
        }
    }

    private mutating func resume() throws {
        for index in 0..<used where connections[index].isPaused {
            guard connections[index].phase == .open else { continue }
            try poller.modify(
                connections[index].descriptor, handle: handle(of: index), interest: .read)
        }
    }

    func handle(of index: UInt32) -> Handle {
        Handle(kind: 0, index: index, generation: 0)
    }
}
