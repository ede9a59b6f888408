internal import Reactor

extension CoreSettings {
    /// From the options.
    init(_ configuration: Configuration, connectionsMax: Int) {
        self.init(
            connectionsMax: connectionsMax, jitterSeed: Random.word())
        messageBytesMax = configuration.maxMessageBytes
        times.pingNanoseconds = configuration.pingInterval.nanoseconds
        times.readNanoseconds = configuration.readTimeout.nanoseconds
        times.handshakeNanoseconds = configuration.handshakeTimeout.nanoseconds
        times.initNanoseconds = configuration.initTimeout.nanoseconds
        times.closeNanoseconds = configuration.closeTimeout.nanoseconds
        drainNanoseconds = UInt64(configuration.drainSeconds) * 1_000_000_000
        textPing = configuration.textPing
        compresses = configuration.compression
        queryToken = configuration.queryToken
        admission = configuration.admission
        checksMembership = configuration.membership == .on
        membershipRecheckNanoseconds = configuration.membershipRecheck?.nanoseconds
        presence = configuration.presence
        disconnectsSlowConsumers = configuration.slowConsumer == .disconnect
        // Each worker knows its own clients only, and they ask the same back end.
        pacing = Pacing(
            refetchesPerSecond: configuration.refetchRate.map { max(1, $0 / configuration.workers) }
        )
    }
}
