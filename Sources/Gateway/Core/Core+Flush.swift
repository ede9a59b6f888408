internal import Reactor

// Everything goes out: broadcasts first, one send of a project's whole segment to each of its
// members, then what clients get from their queues, one gathered write each. Between them those are
// judged for whom too much waits.
extension Core {
    /// The flush of a turn.
    package mutating func flush(
        to transport: inout some Transport & ~Copyable, _ limits: DeliveryLimits = DeliveryLimits()
    ) {
        queueOrderedEvents()
        deliverBroadcasts(to: &transport, limits)
        tellPresence(to: &transport)
        enforceBounds()
        endDirty(writeOwn(limits, to: &transport))
    }

    /// The flush of this turn is over: its notifications are with the kernel, except for those of
    /// fan-outs that go on.
    package mutating func observeFlush(wall: Timestamp) {
        for timestamp in outbox.announced {
            let microseconds = UInt64(clamping: wall.microseconds - timestamp.microseconds)
            // Whoever can NOTIFY can name any time: that of centuries ago is counted as very long.
            let (nanoseconds, isTooLong) = microseconds.multipliedReportingOverflow(by: 1_000)
            metrics.commitToSocket.observe(nanoseconds: isTooLong ? .max : nanoseconds)
        }
    }

    /// Whether notifications were announced in this turn, so that `observeFlush` has something to do.
    package var hasAnnounced: Bool { !outbox.announced.isEmpty }

    // MARK: Broadcasts

    /// Serves the projects that have something to send, each up to its share, and stops at the
    /// turn's budget: a large audience is served over several turns, between which everybody else is
    /// heard, and a small project's event isn't behind a large one's. What is long counts for more.
    private mutating func deliverBroadcasts(
        to transport: inout some Transport & ~Copyable, _ limits: DeliveryLimits
    ) {
        let rooms = hub.activeRoomCount
        guard rooms > 0 else { return }
        let share = max(limits.perRoomShare, limits.perTurn / rooms)
        var budget = limits.perTurn
        var served = 0
        while served < rooms, budget > 0 {
            let room = hub.activeRoom(at: served)
            let weight = weight(of: room)
            let members = max(1, min(share, budget) / weight)
            let count = deliver(in: room, atMost: members, to: &transport)
            // One that had nobody to serve costs something, too.
            budget -= max(1, count * weight)
            served += 1
        }
        hub.rotateActiveRooms(served: served)
    }

    /// As how many deliveries one of what the room sends counts.
    private mutating func weight(of room: RoomIndex) -> Int {
        guard let segment = hub.fanOut(of: room) else { return 1 }
        return 1 + outbox.segments.count(of: segment) / Limits.deliveryBytes
    }

    // Hot path.
    /// Goes on with the room's fan-out. Returns how many members were served.
    private mutating func deliver<Target: Transport & ~Copyable>(
        in room: RoomIndex, atMost share: Int, to transport: inout Target
    ) -> Int {
        guard let segment = hub.fanOut(of: room) else { return 0 }
        var broadcast = Broadcast(of: segment, in: room, pool: outbox.segments)
        let frames = UInt64(outbox.segments.frames(of: segment))
        let encrypts = Target.encrypts
        var served = 0
        while served < share {
            switch hub.nextRecipient(in: room) {
            case .member(let member):
                served += 1
                metrics.deliveries &+= frames
                let index = member.client
                let flags = clients[index].flags
                var form = broadcast.plain
                if flags.contains(.deflates) { form = compress(&broadcast) }
                if encrypts, flags.contains(.tls) {
                    deliverSealed(form, broadcast, to: index, by: &transport)
                } else if clients[index].queue.takesBroadcastDirectly {
                    unsafe transport.append(
                        descriptor: clients[index].descriptor, bytes: form.bytes,
                        count: form.count, tag: index)
                    if transport.isFull { submit(broadcast, to: &transport) }
                } else {
                    queueBroadcast(form.segment, from: 0, of: room, to: index)
                }
            case .finished(let finished):
                submit(broadcast, to: &transport)
                endFanOut(finished, in: room)
                return served
            }
        }
        submit(broadcast, to: &transport)
        return served
    }

    // Hot path.
    private mutating func submit<Target: Transport & ~Copyable>(
        _ broadcast: Broadcast, to transport: inout Target
    ) {
        let encrypts = Target.encrypts
        transport.submit()
        for position in 0..<transport.count {
            let index = transport.tag(at: position)
            if encrypts, clients[index].flags.contains(.tls) {
                handle(transport.finishRecord(at: position), of: index)
            } else {
                sentDirectly(
                    transport.result(at: position), form(of: broadcast, for: index),
                    of: broadcast.room, to: index)
            }
        }
        transport.removeAll()
    }

    // Hot path.
    /// The form that the client was sent.
    @inline(__always)
    private func form(of broadcast: Broadcast, for index: ClientIndex) -> Broadcast.Form {
        guard let compressed = broadcast.compressed, clients[index].flags.contains(.deflates) else {
            return broadcast.plain
        }
        return compressed
    }

    // Hot path.
    /// Members between the one that is served and the one whose session is fetched: memory takes less
    /// time than one sealing.
    private static var prefetchDistance: UInt32 { 1 }

    // Hot path.
    /// Adds the broadcast, encrypted for the client, to the batch. Each client gets a record of its own.
    private mutating func deliverSealed<Target: Transport & ~Copyable>(
        _ form: Broadcast.Form, _ broadcast: Broadcast, to index: ClientIndex,
        by transport: inout Target
    ) {
        if let later = hub.recipient(after: Self.prefetchDistance, in: broadcast.room) {
            transport.prefetch(later.client)
        }
        guard form.count <= Target.recordBytesMax, clients[index].queue.takesBroadcastSealed
        else {
            queueBroadcast(form.segment, from: 0, of: broadcast.room, to: index)
            return
        }
        if transport.isFull || !transport.hasRoom(forRecordOf: form.count) {
            submit(broadcast, to: &transport)
        }
        let isSealed = unsafe transport.appendRecord(
            descriptor: clients[index].descriptor, bytes: form.bytes, count: form.count, tag: index)
        if isSealed {
            metrics.sentBytes &+= UInt64(form.count)
        } else {
            connectionLost(index)
        }
    }

    // Hot path.
    /// Reports what became of a broadcast that was sent without queueing.
    private mutating func sentDirectly(
        _ result: SendResult, _ form: Broadcast.Form, of room: RoomIndex, to index: ClientIndex
    ) {
        switch result {
        case .sent(form.count):
            metrics.sentBytes &+= UInt64(form.count)
        case .sent(let count):
            metrics.sentBytes &+= UInt64(count)
            block(index)
            queueBroadcast(form.segment, from: count, of: room, to: index)
        case .wouldBlock:
            block(index)
            queueBroadcast(form.segment, from: 0, of: room, to: index)
        case .failed:
            connectionLost(index)
        }
    }

    /// Queues a broadcast, or the rest of one, behind what waits already.
    mutating func queueBroadcast(
        _ segment: SegmentIndex, from start: Int, of room: RoomIndex, to index: ClientIndex
    ) {
        let isQueued = outbox.queueBroadcast(
            segment, from: start, of: room, for: index, &clients[index].queue, clock)
        if !isQueued { hub.markStale(index, in: room) }
    }

    // MARK: Compressed broadcasts

    /// The compressed form of a fan-out, which is made once; the same segment where nothing is gained.
    private mutating func compress(_ broadcast: inout Broadcast) -> Broadcast.Form {
        let form = broadcast.compressed ?? makeCompressed(of: broadcast)
        broadcast.compressed = form
        metrics.compressionSavedBytes &+= UInt64(broadcast.plain.count - form.count)
        return form
    }

    private mutating func makeCompressed(of broadcast: Broadcast) -> Broadcast.Form {
        let segment =
            hub.compressedFanOut(of: broadcast.room)
            ?? compressFanOut(of: broadcast.plain.segment, in: broadcast.room)
        return Broadcast.Form(segment, in: outbox.segments)
    }

    private mutating func compressFanOut(
        of segment: SegmentIndex, in room: RoomIndex
    ) -> SegmentIndex {
        var message = outbox.message()
        let count = outbox.compress(
            segment, 0..<outbox.segments.count(of: segment), into: &message.bytes)
        var compressed = segment
        if count > 0 {
            compressed = outbox.segments.make(
                of: message.bytes, frames: outbox.segments.frames(of: segment))
        } else {
            outbox.segments.retain(segment)
        }
        metrics.messagesCompressed &+= UInt64(count)
        outbox.discard(message)
        hub.setCompressedFanOut(compressed, of: room)
        return compressed
    }

    /// Gives the references of a fan-out back that has come to its end.
    private mutating func endFanOut(_ segment: SegmentIndex, in room: RoomIndex) {
        outbox.segments.release(segment)
        if let compressed = hub.removeCompressedFanOut(of: room) {
            outbox.segments.release(compressed)
        }
    }
}

/// How many deliveries of broadcasts and how many writes from queues are made in one turn; simulations
/// make fewer.
package struct DeliveryLimits: BitwiseCopyable, Sendable {
    package var perTurn = Limits.deliveriesPerTurn
    /// Of those, what each project may have at least.
    package var perRoomShare = Limits.deliveriesPerRoomShare
    package var writesPerTurn = Limits.queueWritesPerTurn
    package var writtenBytesPerTurn = Limits.queueBytesPerTurn

    package init() {}
}

/// What a fan-out sends: its segment as it is, and for those who take compressed messages another,
/// which is made when the first of them is met.
///
/// The references of the fan-out keep the bytes in place until it ends.
private struct Broadcast {
    /// A segment with what it takes to send it.
    @safe
    struct Form {
        let segment: SegmentIndex
        let bytes: UnsafeRawPointer
        let count: Int

        init(_ segment: SegmentIndex, in pool: borrowing SegmentPool) {
            self.segment = segment
            unsafe bytes = pool.address(of: segment)
            count = pool.count(of: segment)
        }
    }

    let room: RoomIndex
    let plain: Form
    /// `nil` while nobody needed it.
    var compressed: Form?

    init(of segment: SegmentIndex, in room: RoomIndex, pool: borrowing SegmentPool) {
        self.room = room
        plain = Form(segment, in: pool)
    }
}
