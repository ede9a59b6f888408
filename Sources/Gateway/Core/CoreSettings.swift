/// What the core is told about how to behave: the options that concern clients, in the units that
/// the core counts in.
package struct CoreSettings: Sendable {
    /// Connections of the public listener at the same time, those that are only refused not counted.
    package var connectionsMax: Int
    /// Places beside these for connections that are refused with an answer, and as many for the admin
    /// listener. Fewer where descriptors are few.
    package var reservedPlaces = Limits.reservedPlacesMax
    /// Bytes of a client's message.
    package var messageBytesMax = 512
    /// How long the phases of a connection may last.
    package var times = ClientTimes()
    package var drainNanoseconds: UInt64 = 10_000_000_000
    /// Whether `{"type":"ping"}` goes out beside the ping frame.
    package var textPing = true
    /// Whether `?token=` is accepted.
    package var queryToken = true
    /// Whether a user must be a member of a project to look at it.
    package var checksMembership = false
    /// Within which time the memberships in use are looked at again; `nil`: only when something was
    /// announced.
    package var membershipRecheckNanoseconds: UInt64?
    /// Whether a client that is too slow is disconnected instead of collapsed.
    package var disconnectsSlowConsumers = false
    /// What clients are told of who is present.
    package var presence = PresenceUse.on
    /// How clients are spread in time.
    package var pacing = Pacing(refetchesPerSecond: 1_000)
    /// Who is let in, and how much those who are in may do.
    package var admission = AdmissionLimits()
    /// Seed for phases of timers, and for tables that nobody shall fill.
    package var jitterSeed: UInt64
    /// Whether clients are offered permessage-deflate.
    package var compresses = false
    /// What a turn may spend on what clients say.
    package var turn = TurnBudget.Amounts(
        strangers: Limits.strangersNanosecondsPerTurn,
        members: Limits.membersNanosecondsPerTurn, client: Limits.clientWorkPerTurn)
    /// How many of those who resume are answered in a turn.
    package var resumesPerTurn = Limits.resumesPerTurn

    /// Who this process is to others that serve the same clients; `nil` on its own.
    package var bus: BusIdentity?

    /// Bytes of any message, before it is known what it says.
    var frameBytesMax: Int { max(messageBytesMax, Limits.initMessageBytesMax) }

    package init(connectionsMax: Int, jitterSeed: UInt64) {
        self.connectionsMax = connectionsMax
        self.jitterSeed = jitterSeed
    }
}
