internal import ArgumentParser
internal import CEpollShim
internal import Reactor

/// Listens with libpq and does nothing else: how long a notification takes when no server is in
/// between.
struct Listen: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    static let channel = "load_generator"

    @Option var origin: UInt64
    @Option var database: String

    func run() throws {
        _ = nice(-15)  // Without the privilege it waits like everybody else.
        let target = try ConnectionString(database)
        guard let parameters = target.parameters(resolved: []),
            var connection = PostgresConnection(parameters, unclaimedBytesMax: .max)
        else { throw ValidationError("DATABASE_URL must name an address") }
        let channel = RecordChannel(descriptor: RecordChannel.childDescriptor)
        try Self.connect(&connection)
        try connection.send(simple: "LISTEN \(Self.channel)")
        _ = try connection.flush()

        let origin = Instant(nanoseconds: origin)
        var histogram = LatencyHistogram()
        while let descriptor = connection.descriptor {
            var waiting = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: channel.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            _ = unsafe poll(&waiting, 2, -1)
            try Self.take(from: &connection, origin: origin, &histogram, channel)
            guard waiting[1].revents != 0 else { continue }
            switch channel.receive(waiting: false) {
            case .record(let record): Self.answer(record, &histogram, channel)
            case .nothing: break
            case .closed: return
            }
        }
    }

    private static func take(
        from connection: inout PostgresConnection, origin: Instant,
        _ histogram: inout LatencyHistogram, _ channel: RecordChannel
    ) throws {
        try connection.consumeInput()
        reading: while true {
            switch connection.nextReply() {
            case .busy: break reading
            case .endOfStatement: break reading
            case .failed(let error): throw error
            case .succeeded: channel.send(Record(.connected, 1))  // LISTEN.
            default: break
            }
        }
        while let notification = connection.nextNotification() {
            guard let marker = Marker(in: notification.payload) else { continue }
            let now = Clock.monotonic().nanoseconds(since: origin)
            histogram.record(now - min(now, marker.sentNanoseconds))
            channel.send(Record(.done, UInt64(marker.project), UInt64(marker.sequence), now))
        }
    }

    private static func answer(
        _ record: Record, _ histogram: inout LatencyHistogram, _ channel: RecordChannel
    ) {
        if record.kind == .begin { histogram.removeAll() }
        guard record.kind == .report else { return }
        for bucket in 0..<LatencyHistogram.bucketCount where histogram.counts[bucket] > 0 {
            channel.send(
                Record(
                    .bucket, HistogramName.bareListener.rawValue, UInt64(bucket),
                    histogram.counts[bucket]))
        }
        channel.send(Record(.finished))
    }

    private static func connect(_ connection: inout PostgresConnection) throws {
        var step = connection.firstStep
        while true {
            guard let descriptor = connection.descriptor else {
                throw Failure("the bare listener: \(connection.errorMessage)")
            }
            let events: Int32
            switch step {
            case .connected: return
            case .failed(let reason): throw Failure("the bare listener: \(reason)")
            case .reading: events = POLLIN
            case .writing: events = POLLOUT
            }
            var waiting = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            _ = unsafe poll(&waiting, 1, 5_000)
            step = connection.poll()
        }
    }
}
