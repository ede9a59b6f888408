internal import Reactor

/// Every bound of the server that isn't an option, with its unit and its reason. The codecs' own
/// stand with them: `HTTPLimits`, `FrameEncoder`, `Reference`.
package enum Limits {
    // MARK: One turn of the loop

    /// Connections accepted from one listener, and their requests answered: a storm must not keep
    /// those who are connected waiting. At 45 µs each that is a millisecond and a half.
    static let acceptsPerTurn = 32
    /// The same for the admin listener: fewer than its places, so that each has been answered before a
    /// later one needs its place.
    static let adminAcceptsPerTurn = 4
    /// Bytes of one receive, and of one of TLS: records may hold one byte each, at 2 µs, so that what
    /// a client says costs up to 1 ms before any of it is looked at.
    static let receiveBytes = 65_536
    static let secureReceiveBytes = 8_192
    /// Nanoseconds of hearing those who have yet to show who they are, TLS handshakes among it, and of
    /// hearing all others. A handshake costs 0.25 to 0.5 ms with the usual keys, and 10 times that with
    /// an RSA key of 4,096 bits; the one that exceeds the bound is finished.
    static let strangersNanosecondsPerTurn: UInt64 = 2_000_000
    static let membersNanosecondsPerTurn: UInt64 = 2_000_000
    /// Nanoseconds of work on what one client says until the next one is heard; the message that
    /// exceeds them is finished. Work is estimated, so that the same bytes are always cut in the same
    /// place.
    static let clientWorkPerTurn: UInt64 = 100_000
    /// What is estimated: nanoseconds for a frame, a message and a request, for a byte of JSON (the
    /// dearest are `[0,0,…]`) and for one that was unpacked.
    static let frameWork: UInt64 = 100
    static let messageWork: UInt64 = 1_000
    static let requestWork: UInt64 = 20_000
    static let parsedByteWork: UInt64 = 30
    static let unpackedByteWork: UInt64 = 4
    /// Notifications, and bytes of them, dequeued from libpq.
    static let notificationsPerTurn = 512
    static let notificationBytesPerTurn = 262_144
    /// Clients whose timers are looked at: at 2 µs each that is a millisecond, when all their times are up.
    static let timerVisitsPerTurn = 512
    /// Deliveries of broadcasts before everybody else gets a look-in: one batch, one to two
    /// milliseconds, of which a turn's own cost is a thousandth.
    static let deliveriesPerTurn = 256
    /// Of those, deliveries for one project before the next has its share, so that a small
    /// project's event isn't behind a large one's.
    static let deliveriesPerRoomShare = 128
    /// Bytes of a broadcast that count as another delivery.
    package static let deliveryBytes = 16_384
    /// Clients to whom what waits in their queues is written, one to three milliseconds, and bytes of it.
    package static let queueWritesPerTurn = 256
    static let queueBytesPerTurn = 4 << 20
    /// Signatures of public keys that are checked: at 20 to 120 µs each that is two milliseconds at
    /// most, however many come with one.
    package static let signatureChecksPerTurn = 16
    /// Connections closed, and nanoseconds of it: close(2) of a live one costs 7 to 14 µs, and up to 350 with
    /// much that wasn't read.
    static let closesPerTurn = 32
    static let closeNanosecondsPerTurn: UInt64 = 1_000_000
    /// Projects that get a resync after the listener came back.
    static let resyncRoomsPerTurn = 256
    /// Answers about membership that are acted on: each may open a WebSocket, at 10 to 20 µs, and is sent one.
    static let membershipAnswersPerTurn = 128
    /// Clients that are given what was read for them, or told that it couldn't be: at 30 to 50 µs each, its
    /// sending among it.
    package static let resumesPerTurn = 64
    /// Of those who wait for it, how many are looked at for whether they have waited for too long.
    package static let waitersSeenPerTurn = 16_384
    /// Members that are looked at for removals, after which notifications wait for the next turn:
    /// one removal looks at the project's whole audience, and each look is a cache miss.
    static let membersScannedPerTurn = 20_000
    /// Events that are put into the queues of clients that look at several projects, after which notifications
    /// wait for the next turn: at some 60 ns each that is a millisecond. One event is for all of its project.
    package static let orderedEntriesPerTurn = 16_384
    /// Bytes of one gathered write to one client.
    static let gatheredBytes = 262_144

    // MARK: One connection

    /// Frames and bytes that may wait for one client. Beyond that its queue collapses.
    package static let queueFramesMax = 256
    package static let queueBytesMax = 1 << 20
    /// Projects that one connection may look at.
    package static let projectsPerConnectionMax = 100
    /// Bytes of a message before the client is authenticated, and of an `init`: it carries a token.
    static let initMessageBytesMax = 8_192
    /// Messages and pings before the client is authenticated: an `init`, and what a library adds to it.
    package static let strangerMessagesMax = 8
    /// Bytes up to which a message before that is read whatever it is.
    static let strangerMessageBytesMax = 512
    /// Values in a message that only an `init` can be, of which a handful is its own, and in a token's
    /// claims, which may name many groups. Each costs 60 ns to read.
    package static let initValuesMax = 256
    package static let claimValuesMax = 512
    /// Bytes up to which small answers share one segment of a client's queue.
    package static let privateSegmentBytesMax = 16_384
    /// Seconds for which a socket may take no byte while something waits for it.
    package static let stallSecondsMax: UInt64 = 60
    /// Seconds after its last answer until a connection that never became a WebSocket is closed: of the
    /// public listener, where its place may be a client's; and of the admin listener, at which scrapers
    /// come back each quarter or half of a minute.
    static let httpIdleSecondsMax: UInt64 = 15
    static let adminIdleSecondsMax: UInt64 = 60
    /// Nanoseconds that such a connection has in any case to come up with a request, before it gives way
    /// to another where places are short: some round trips of a slow network, for TCP and TLS.
    static let httpGraceNanoseconds: UInt64 = 2_000_000_000
    /// The part of `--max-connections`, and the least of it, that they may have beyond this time.
    static let httpShareDivisor = 8
    static let httpConnectionsMin = 64

    /// Bytes of a client's record: two cache lines. With its place in the hub, its timer and its
    /// bits that makes some 170 bytes for a client that is idle.
    static let clientRecordBytesMax = 128

    /// The same for a queue that is over its bounds, until the turn's end: besides the broadcasts that
    /// made it so, which give way, as many answers as may wait.
    package static let overflownFramesMax = 2 * queueFramesMax + segmentFramesMax
    package static let overflownBytesMax = 2 * queueBytesMax + segmentBytesMax
    /// Of `queueBytesMax`, what a client keeps for answers when what it has missed is queued.
    package static let queueReserveBytes = 262_144
    /// Seconds' worth of messages that a client may send at once: what it says when it begins,
    /// or when it was offline, comes together.
    package static let messageBurstSeconds = 4
    /// Milliseconds that a client waits which was closed for too many messages or errors.
    static let rateRetryMilliseconds: UInt32 = 5_000

    // MARK: One address, one user

    /// Connections beyond `--connections-per-address` that are accepted to be refused with an answer.
    package static let refusalsPerAddressMax = 8
    /// Seconds' worth of handshakes that an address may make at once: all browsers behind it come
    /// back together when their network does.
    package static let handshakeBurstSeconds = 10
    /// For how long one waits whose address or user has too many connections: some of them end.
    static let crowdRetrySeconds: UInt16 = 30
    static let crowdRetryMilliseconds: UInt32 = 30_000
    /// For how long one without a token waits when too many have none: their time is short.
    static let unauthenticatedRetrySeconds: UInt16 = 2

    // MARK: One project

    /// Frames and bytes of one turn's segment. They are reached only while a long fan-out keeps
    /// the next one waiting; then a resync says it all in one go.
    package static let segmentFramesMax = 1_024
    package static let segmentBytesMax = 524_288
    /// User ids in a status answer; a larger audience is marked as truncated.
    package static let statusUserIDsMax = 10_000

    // MARK: Membership

    /// Clients that wait for an answer. Beyond that they are told to come again.
    package static let membershipChecksMax = 8_192
    /// Pairs under verification after removals, beside them.
    package static let verificationsMax = 2_048
    /// Pairs in one query: a longer answer would be acted on over several turns anyway.
    package static let membershipBatchMax = 512
    /// The time from one query to the next while questions keep coming. The first after a quiet
    /// time goes at once. A crowd of 10,000 that arrives within a second so costs some 70 queries.
    package static let membershipBatchIntervalNanoseconds: UInt64 = 15_000_000
    /// Times that a question is asked whose answer a removal has overtaken; then it is `unavailable`.
    package static let membershipAttemptsMax: UInt8 = 3
    /// Times that a question is sent whose connection is lost before the answer comes: the second time
    /// the database had its time for an answer, and more isn't waited for.
    package static let membershipLossesMax: UInt8 = 2
    /// For how long a question waits for a database that is away, counted from when it went: longer than
    /// a restart or a failover takes, shorter than clients' patience.
    package static let databasePatienceNanoseconds: UInt64 = 10_000_000_000
    /// The time until a verification that failed is tried again.
    package static let verificationPauseNanoseconds: UInt64 = 200_000_000
    /// The time from an announced removal that was none to the next look at the same project, and the
    /// projects for which that is remembered.
    package static let unfoundedRemovalNanoseconds: UInt64 = 1_000_000_000
    package static let unfoundedProjectsMax = 4_096
    /// Seconds for which a client may wait in all: more than the sum of what an answer may take.
    /// It only guards against a mistake.
    static let membershipSecondsMax: UInt64 = 60

    // MARK: Resuming

    /// Clients that wait for what they missed. Each takes some 150 bytes; beyond that they get a
    /// resync at once.
    package static let resumesWaitingMax = 100_000
    /// Nanoseconds for which a client waits for what it missed, and how often those are looked for
    /// who have waited for too long.
    static let resumeNanosecondsMax: UInt64 = 10_000_000_000
    package static let resumeCheckNanoseconds: UInt64 = 1_000_000_000
    /// Nanoseconds within which the gateway itself must have caught up after a loss of the database,
    /// and the projects for which it tries; else they get resyncs.
    package static let catchUpNanosecondsMax: UInt64 = 10_000_000_000
    static let catchUpRoomsMax = 20_000

    /// Resumes of one user in a second, and at once: a user with many tabs comes back with all of
    /// them. Beyond that a resync takes the place of what would be read.
    package static let resumesPerSecond = 100
    package static let resumesAtOnce = 1_000

    // MARK: Presence

    /// Users whom a list of those who are present names; with more of them there is only their number.
    package static let presenceListMax = 200
    /// Nanoseconds from a change after a quiet time until it is told, in which others may join it; from
    /// one telling to the next; and the same where only the number is told.
    package static let presenceDelayNanoseconds: UInt64 = 250_000_000
    package static let presencePaceNanoseconds: UInt64 = 1_000_000_000
    package static let presenceCountPaceNanoseconds: UInt64 = 5_000_000_000
    /// Nanoseconds for which a user stays present whose last connection ended without a goodbye: the
    /// time of a reload, a tunnel or a change of networks, and of the first attempts to come back.
    package static let presenceGraceNanoseconds: UInt64 = 15_000_000_000
    /// Bytes of a user who is present, without the tables around it, and of its place in a list.
    static let presentUserBytesMax = 32
    static let presentUserTextBytesMax = 80
    /// Users present, each counted in each project, in all and in one project; at most 64 bytes each at
    /// rest (measured by the micro benchmarks). Beyond that whoever asks is told to try again.
    package static let presentUsersMax = 1 << 20
    package static let presentUsersPerProjectMax = 100_000
    /// Projects in which somebody is present: some 250 bytes each while something happens there.
    package static let presenceProjectsMax = 65_536
    /// Users of a room that is packed when nothing happens there: what a room has besides its users is
    /// little for each of more than these, and packing so many takes microseconds.
    package static let presenceRestingUsersMax = 64
    /// Nanoseconds from one look whether a room can rest to the next: one in which something happened
    /// in between can't. Some times the pace, so that rooms in use aren't packed and unpacked.
    package static let presenceRestNanoseconds: UInt64 = 5_000_000_000
    /// Connections of a user that can be present in one project; they are looked at one after the other.
    package static let presenceConnectionsPerUserMax = 256
    /// Connections beside each user's first one, in all: 12 bytes each.
    package static let presenceTabsMax = 1 << 20
    /// Messages about presence and typing that are queued in one turn; the rest follows in the next.
    package static let presenceDeliveriesPerTurn = 256
    /// Users that are looked at in one turn, because some may have been gone for long enough.
    package static let presenceLooksPerTurn = 100_000
    /// Bytes that may wait for a client when something of its presence is queued: beyond that it gets
    /// the whole state when its socket has taken them.
    package static let presenceQueueBytesMax: UInt32 = 65_536

    // MARK: Typing

    /// Bytes of what is typed in: a word and a UUID, or two.
    package static let topicBytesMax = 64
    /// Nanoseconds after which who doesn't go on doesn't type any more; in which a sign is enough; and
    /// from one telling to the next.
    package static let typingNanoseconds: UInt64 = 7_000_000_000
    package static let typingSignNanoseconds: UInt64 = 3_000_000_000
    package static let typingPaceNanoseconds: UInt64 = 1_000_000_000
    /// Users that a message names, and those that are kept for one topic. Signs of others are ignored.
    package static let typingNamesMax = 32
    package static let typistsPerTopicMax = 64
    /// Topics in which a user can type at the same time in one project, topics of a project, and topics
    /// of all: some 200 bytes each. Signs beyond them are ignored.
    package static let topicsPerUserMax = 4
    package static let topicsPerProjectMax = 64
    package static let topicsMax = 8_192

    // MARK: Direct messages

    /// Bytes of a message's data, as its sender has written it, and seconds for which it is kept unless it is
    /// acknowledged: what is said, the most, and a week, a month. The database has the same.
    package static let directBytesMax = 4_096
    package static let directSecondsDefault: UInt32 = 604_800
    package static let directSecondsMax: UInt32 = 2_592_000
    /// Values in a message that brings such data, or ids: each costs 60 ns to read.
    static let directValuesMax = 1_024
    /// Ids in one acknowledgment.
    package static let directAcksMax = 100
    /// Messages of a sender in a second, and nanoseconds between two when it goes on; with them, messages
    /// at once: 600 an hour.
    package static let directPerSecond = 10
    package static let directIntervalNanoseconds: UInt64 = 6_000_000_000
    package static let directAtOnce = 600
    /// Messages that wait to be committed, or acknowledgments, and bytes of them: what a second brings when
    /// the database is slow. Whoever says more is told to try again.
    package static let directWishesMax = 8_192
    package static let directWishBytesMax = 16 << 20
    /// Of those in one statement, which is one transaction: each costs the database some 100 µs.
    package static let directStatementWishesMax = 128
    package static let directStatementBytesMax = 524_288
    /// Announced rows that wait to be read, and in one statement. Beyond that the inboxes concerned are read.
    package static let directHintsMax = 8_192
    package static let directStatementRowsMax = 128
    /// Messages of this process's clients that are remembered until they are announced, bytes of them, and nanoseconds:
    /// two statements that are under way, and 16 times as many whose announcement is late. Beyond that they are read.
    package static let directOwnMax = 4_096
    package static let directOwnBytesMax = 4 << 20
    package static let directOwnNanoseconds: UInt64 = 10_000_000_000
    /// Announcements of such messages that wait for the answer to a statement: those of two, and as many again
    /// that somebody makes up.
    package static let directOwnHintsMax = 512
    /// Messages in a page of an inbox: with their data they fit into a queue beside the reserve.
    package static let inboxPageMax = 100
    /// Inboxes of which a statement reads a page: its answer is 7 MB at most.
    package static let inboxesPerStatement = 16
    /// Times that a user may ask for an inbox in a second, and at once: each costs a page of it, 400 KB at most, and
    /// a user with many connections comes back with all of them, 100 unless another number is set. Beyond that whoever asks is told to try
    /// again.
    package static let inboxesPerSecond = 10
    package static let inboxesAtOnce = 100
    /// Bytes of a message besides its data.
    static let directFrameBytesMax = 512
    /// Bytes of a `ref` as JSON, in a message that can't be read as a whole: each of its bytes an escape of six.
    static let referenceJSONBytesMax = 6 * Reference.textBytesMax + 2

    // MARK: All together

    /// Connections beyond `--max-connections` that are accepted to be refused with an answer; and as
    /// many of the admin listener, which have their places whatever happens on the public one.
    package static let reservedPlacesMax = 32
    /// Slots of the tables that must have fallen into disuse before their memory is given back: a
    /// handful isn't worth the system calls.
    package static let memoryReturnSlotsMin = 4_096
    /// Bytes of memory in segments that wait to be sent, whoever waits for them. Beyond that, clients
    /// that wait are collapsed; if that isn't enough, those are closed for which much waits. From half
    /// of it on, large answers are refused.
    package static let segmentPoolBytesMax = 256 << 20
    /// Bytes of memory in what was received and can't be acted on yet. Whoever would need more is
    /// closed: so many half-sent requests and messages are no honest crowd's.
    package static let inboxBytesMax = 128 << 20
    /// Bytes of ciphertext that sockets didn't take, of all TLS clients together: at most a record of
    /// each. Whoever would need more is closed.
    static let ciphertextBytesMax = 128 << 20
    /// Nanoseconds for which a key encrypts the tickets of TLS sessions, and for which it opens them after
    /// that: a day. Tickets are good for two hours, and the fewer of them one key opens, the better.
    static let ticketKeyNanoseconds: UInt64 = 86_400 * 1_000_000_000
    /// Names of resources that a resync speaks of, each in a frame: a quarter of what may wait for a client. Of
    /// tables beyond it an operator is told.
    package static let resourcesMax = 64

    // MARK: The bus

    /// Bytes of a frame from one process to the others: a Unix socket's buffer, of 208 KiB, holds ten.
    package static let busFrameBytesMax = 16_384
    /// Other nodes that are known; a host has 255 other workers at most. Frames of further ones are refused.
    package static let busNodesMax = 256
    /// Projects that are known of all other nodes together: some 50 bytes each. What comes beyond it
    /// isn't counted, and a status says that it is partial.
    package static let busProjectsMax = 1 << 20
    /// Users present in projects, each counted in each project and node, as nodes say it: of all nodes, the
    /// own one among them, and of one. At most 43 bytes each, and 35 for each project; 5 more while their
    /// tables grow. What comes beyond it isn't known, and presence says that it is partial.
    package static let busPeopleMax = 1 << 20
    package static let busPeoplePerNodeMax = 1 << 18
    /// Of those, users who are told of in one batch: five frames.
    package static let busPeoplePerBatch = 2_048
    /// Entries that are looked at in one turn, or for one frame, and those that are taken out of it: at 1 and
    /// 1,000 ns each.
    static let busPeopleLooksPerTurn = 65_536
    static let busPeopleRemovalsPerTurn = 1_024
    /// Processes that end one after the other in a node's place, within the time that their users have to
    /// come back, of which each has a time of its own; users of further ones have the last one's.
    static let busSweepsMax = 16
    /// Members that a user in a frame counts as, in a turn.
    static let busPeopleWeight = 8
    /// Announced removals that are remembered, and nanoseconds for which they are: longer than one process
    /// hears of them later than another. Users who are shunned for one meanwhile, and nanoseconds until
    /// those are believed to be what their node says, which hears of it when it hears at all.
    package static let busRemovalsMax = 4_096
    package static let busRemovedNanoseconds: UInt64 = 10_000_000_000
    package static let busShunNanoseconds: UInt64 = 60_000_000_000
    /// Signs that somebody types, or doesn't any more, that wait to be told; further ones aren't.
    package static let busTypingMax = 1_024
    /// Users of whom others are told how many connections they have, of one node and of all: 40 bytes each, twice.
    /// Further ones have the limit at each process.
    package static let busUsersPerNodeMax = 4_096
    package static let busUsersMax = 32_768
    /// Nanoseconds between looks for them, places in the table of users that are looked at in one turn, at half a
    /// nanosecond each, and looks in which each user is told of once, whatever has changed.
    package static let busUsersLookNanoseconds: UInt64 = 1_000_000_000
    static let busUsersLooksPerTurn = 65_536
    static let busUsersLooksPerTelling: UInt64 = 3
    /// Users in a batch of whom others are told how many direct messages they have sent.
    package static let busSendersMax = 1_024
    /// Bytes that wait until the carrier takes them. A frame beyond that is dropped: what it would have
    /// told the others ask for.
    package static let busWaitingBytesMax = 1 << 20
    /// Nanoseconds from one frame with changes to the next, and to one without.
    package static let busBatchNanoseconds: UInt64 = 75_000_000
    package static let busHeartbeatNanoseconds: UInt64 = 3_000_000_000
    /// Projects that are told of in one batch; further ones are in the next.
    package static let busChangesPerBatch = 8_192
    /// Members who are looked at in one batch for whether they are invisible, at some 100 ns each. In a larger project
    /// their connections are counted with the others.
    static let busHidingLooksPerBatch = 32_768
    /// Nanoseconds of silence after which a node's figures may be old, and after which it is gone.
    package static let busFreezeNanoseconds: UInt64 = 10_000_000_000
    package static let busRemovalNanoseconds: UInt64 = 30_000_000_000
    /// Nanoseconds between looks at who is silent.
    package static let busCheckNanoseconds: UInt64 = 1_000_000_000
    /// Nanoseconds until a part of a snapshot that hasn't come is asked for again, and from one
    /// snapshot of a node to the next.
    package static let busSnapshotPauseNanoseconds: UInt64 = 1_000_000_000
    /// Nanoseconds after which a process that has yet to show that it is there is asked again.
    package static let busChallengeNanoseconds: UInt64 = 1_000_000_000
    /// Nanoseconds for which the former secret still counts after a change: all hosts have the new one by
    /// then, one after the other, and one that has leaked isn't good for long.
    package static let busFormerSecretNanoseconds: UInt64 = 600_000_000_000
    /// Nanoseconds for making a connection to Redis, for not hearing what we have said ourselves, after which
    /// the connection is given up, and between questions whether it is a replica.
    package static let busConnectingNanoseconds: UInt64 = 4_000_000_000
    /// Nanoseconds for connecting to one Sentinel and hearing its answer, with TLS four times the way there and
    /// back: eight that are silent take as many seconds.
    package static let busSentinelNanoseconds: UInt64 = 1_000_000_000
    package static let busDeafNanoseconds: UInt64 = 10_000_000_000
    package static let busRoleNanoseconds: UInt64 = 5_000_000_000
    /// Statements of the bus in a second, where it goes by PostgreSQL: each wakes every session that listens.
    package static let busStatementsPerSecond = 4
    /// Bytes that wait for Redis' socket, and commands that weren't answered. A frame beyond either is
    /// dropped: what it would have told the others ask for.
    package static let busCarrierBytesMax = 262_144
    package static let busCarrierCommandsMax = 1_024
    /// Nanoseconds after the start in which others may be there that weren't heard yet.
    package static let busSettleNanoseconds: UInt64 = 1_000_000_000
    /// Frames that are read in one turn, at some 20 µs each for a full one.
    static let busFramesPerTurn = 64

    /// Nanoseconds for which a status waits for the user ids of other nodes.
    package static let busUsersNanoseconds: UInt64 = 300_000_000
    /// Projects whose users are being asked for, each with up to `statusUserIDsMax` ids, and the requests
    /// that wait for them. Beyond either a status is answered at once, as partial.
    package static let busQuestionsMax = 64
    package static let busWaitersMax = 1_024
    /// Lists of users that are kept for others until they have asked for all of it; the oldest makes room,
    /// and is made again if it is asked for. Nanoseconds for which one is kept: longer than anybody
    /// waits for it.
    package static let busListsMax = 16
    package static let busListNanoseconds: UInt64 = 1_000_000_000
    /// Status answers that waited for others and are written in one turn, at up to a millisecond each.
    static let busStatusesPerTurn = 16

    // MARK: What clients are asked to wait

    /// Handshakes a second that clients who come back after a drain are spread to, and the bounds
    /// of the window that follows, in milliseconds: one handshake costs 50 µs, and with TLS 1 ms.
    static let reconnectsPerSecond = 1_000
    static let reconnectWindowMillisecondsMin = 1_000
    static let reconnectWindowMillisecondsMax = 60_000
    /// Milliseconds of a spread that isn't worth a key in the message, and the longest that anybody
    /// should look at old data for the back end's sake.
    static let spreadMillisecondsMin = 50
    static let spreadMillisecondsMax = 10_000
}
