package import Reactor

/// Every figure that the program counts, as plain words that the loop adds to in place:
/// `metrics.deliveries &+= 1`. The root owns the one value; nothing else keeps figures.
///
/// Counters only grow and start at zero with the process. They wrap after 2⁶⁴, which nothing here
/// reaches. Gauges are set to, or moved with, what they mirror.
package struct Metrics: ~Copyable {
    // Connections.

    /// WebSocket connections that are open now.
    package var connections: UInt64 = 0
    /// Handshakes that were answered with 101.
    package var connectionsOpened: UInt64 = 0
    package var connectionsClosed = LabelledCounter<CloseLabel>()
    package var handshakesRefused = LabelledCounter<RefusalLabel>()
    /// How long connections lasted, observed when they end.
    package var connectionDuration = Histogram(
        boundsNanoseconds: HistogramBounds.connectionDuration)
    /// Times that a client wasn't heard for a turn because so many signatures were checked.
    package var verificationsDeferred: UInt64 = 0
    /// Times that somebody had to wait for a later turn, or for later in the same, to be heard.
    package var waits = LabelledCounter<WaitLabel>()
    /// Times that files were read again because of SIGHUP.
    package var reloads = LabelledCounter<ReloadLabel>()
    /// Times that accepting stopped because descriptors ran out (EMFILE, ENFILE).
    package var acceptPauses: UInt64 = 0
    /// Accepted connections that were closed without a word.
    package var connectionsDropped = LabelledCounter<DropLabel>()
    /// WebSockets that have yet to say who they are, now.
    package var connectionsUnauthenticated: UInt64 = 0
    /// Times that somebody was refused or closed because of a limit.
    package var limitsReached = LabelledCounter<LimitLabel>()
    /// What proxies, or those who pretend to be some, said wrong.
    package var proxyFaults = LabelledCounter<ProxyFaultLabel>()

    package var tls = TLSMetrics()

    // Hub.

    /// Pairs of a connection and a project that it is subscribed to, now.
    package var subscriptions: UInt64 = 0
    /// Projects with at least one subscriber, now.
    package var projects: UInt64 = 0
    /// Frames times the clients that they were handed to.
    package var deliveries: UInt64 = 0
    package var resyncs = LabelledCounter<ResyncReason>()
    /// Clients whose queue was dropped for a resync because they read too slowly.
    package var collapsedClients: UInt64 = 0
    /// Clients that were closed with 4202 for it.
    package var slowConsumersDisconnected: UInt64 = 0

    /// WebSocket connections that have agreed upon compression, now.
    package var connectionsCompressing: UInt64 = 0
    /// Messages of broadcasts that were compressed, each once, however many clients get it.
    package var messagesCompressed: UInt64 = 0
    /// Bytes that broadcasts would have had without it, over all clients.
    package var compressionSavedBytes: UInt64 = 0

    // Presence.

    /// Users who are present, each counted in each project, now.
    package var presentUsers: UInt64 = 0
    package var presenceMessages = LabelledCounter<PresenceMessageLabel>()
    /// Such messages that a client couldn't take; a state follows when it can.
    package var presenceMissed: UInt64 = 0
    /// Wishes that were refused because there are so many already.
    package var presenceRefused: UInt64 = 0
    /// Users of other processes who aren't shown in a project, because there are so many already.
    package var presenceRefusedElsewhere: UInt64 = 0
    package var typingSigns = LabelledCounter<TypingOutcome>()

    // Direct messages.

    /// Connections that get direct messages, now.
    package var directReaders: UInt64 = 0
    /// Messages that clients sent, by what became of them.
    package var directMessages = LabelledCounter<DirectOutcome>()
    /// Ids that clients acknowledged, those included that were acknowledged before.
    package var directAcknowledged: UInt64 = 0
    /// Frames about direct messages that were handed to clients.
    package var directDeliveries: UInt64 = 0
    /// Requests for an inbox that came too fast.
    package var directInboxesRefused: UInt64 = 0
    /// What is told once, and a client couldn't take.
    package var directMissed: UInt64 = 0
    /// Messages whose data can't be given to a client.
    package var directUnreadable: UInt64 = 0
    /// Messages that this process deleted.
    package var directPruned: UInt64 = 0
    /// Whether there are direct messages.
    package var directIsUsable = false

    // Traffic.

    /// Bytes that the kernel took from us, on the public listener.
    package var sentBytes: UInt64 = 0
    package var receivedBytes: UInt64 = 0
    package var clientMessages = LabelledCounter<ClientMessage.Kind>()
    package var clientErrors = LabelledCounter<ErrorCode>()

    // Database.

    package var notificationsReceived: UInt64 = 0
    /// Those that were skipped because their payload isn't what the triggers write.
    package var notificationsInvalid: UInt64 = 0
    /// Those that came faster than they can be acted on; a resync of every project stood in for them.
    package var notificationsDropped: UInt64 = 0
    /// Those whose project had no subscriber.
    package var notificationsWithoutAudience: UInt64 = 0
    /// Whether LISTEN is established and answering.
    package var listenerIsUp = false
    /// Times that the listener was established again after it was lost.
    package var listenerReconnects: UInt64 = 0
    /// From the notification's time stamp, which is the start of the writer's transaction, to the
    /// flush that hands its frame to the sockets.
    package var commitToSocket = Histogram(boundsNanoseconds: HistogramBounds.commitToSocket)

    // Membership.

    /// Questions of clients whether they may look at a project.
    package var membershipChecks: UInt64 = 0
    /// Those that an equal question under way answered too.
    package var membershipChecksShared: UInt64 = 0
    package var membershipOutcomes = LabelledCounter<MembershipLabel>()
    package var membershipQueries: UInt64 = 0
    /// Memberships in use that were looked at again although nothing was announced.
    package var membershipRechecks: UInt64 = 0
    /// Events of suspended projects; a resync followed.
    package var notificationsWithheld: UInt64 = 0
    /// Subscriptions that ended because the membership did, or the project.
    package var revocations: UInt64 = 0

    /// From sending a canary to the listener's hearing it.
    package var canaryRoundTrip = Histogram(boundsNanoseconds: HistogramBounds.commitToSocket)
    /// Times that the listener was given up because it heard none.
    package var canarySilences: UInt64 = 0
    /// How full PostgreSQL's queue of notifications is, in parts per million.
    package var queueUsageMillionths: UInt64 = 0
    /// Whether missed events can be read from the event log.
    package var eventLogIsUsable = false
    /// What the triggers count of their own failures, and what they lost.
    package var triggerFailures: UInt64 = 0
    package var triggerLosses: UInt64 = 0
    /// Transactions that cursors are behind, and the seconds for which they have been held back.
    package var cursorLag: UInt64 = 0
    package var cursorAgeSeconds: UInt64 = 0
    /// Tables that don't announce everything.
    package var silentTables: UInt64 = 0
    /// By how many seconds the event log's oldest row is older than it should get.
    package var eventLogOverdueSeconds: UInt64 = 0
    /// Subscriptions with a cursor.
    package var resumes: UInt64 = 0
    /// Old events that this process deleted from the log.
    package var prunedEvents: UInt64 = 0

    /// How the sessions are shared; `nil` where each process has its own.
    package var sessionRole: SessionRole?
    package var followers: UInt64 = 0
    /// Notifications handed to followers, each counted for each of them.
    package var notificationsRelayed: UInt64 = 0
    /// Questions sent for followers.
    package var questionsRelayed: UInt64 = 0
    /// Followers that were cut since they didn't read.
    package var sessionLinksCut: UInt64 = 0

    /// Of the bus; `nil` for a process that is on its own.
    package var bus: BusFigures?
    /// Of its carrier to other hosts; `nil` without one.
    package var carrier: CarrierFigures?

    // Loop.

    /// How broadcasts are sent.
    package var sendMethod = SendMethod.send
    /// Batches of which the ring didn't take all.
    package var ringRefusals: UInt64 = 0
    /// The working part of a turn, without the wait.
    package var loopTurn = Histogram(boundsNanoseconds: HistogramBounds.loopTurn)
    /// The processor time of a turn and of the wait before it.
    package var loopTurnProcessor = Histogram(boundsNanoseconds: HistogramBounds.loopTurn)

    package init() {}

    /// Takes over what is known of the database.
    package mutating func note(_ database: DatabaseStatus) {
        listenerIsUp = database.isListening
        sessionRole = database.sharesSessions ? database.role : nil
        followers = UInt64(database.followers)
        eventLogIsUsable = database.eventLog == .usable
        directIsUsable = database.direct == .usable
        triggerFailures = database.watch.triggerFailures
        triggerLosses = database.watch.triggerLosses
        cursorLag = database.watch.cursorLag
        cursorAgeSeconds = database.watch.cursorAgeSeconds
        silentTables = UInt64(database.tables.silent.count)
        eventLogOverdueSeconds = database.overdueSeconds
    }
}
