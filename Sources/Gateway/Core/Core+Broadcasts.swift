internal import Reactor

// From a project's segment to its audience: one send of the whole segment to each member whose queue is
// empty, and a piece of the queue for the others.
extension Core {
    /// Serves the projects that have something to send, each up to its share, and stops at the
    /// turn's budget.
    mutating func deliverBroadcasts(
        to transport: inout some Transport & ~Copyable, _ limits: DeliveryLimits
    ) {
        var deliveries = Deliveries(rooms: hub.activeRoomCount, limits)
        while let most = deliveries.next() {
            let room = hub.activeRoom(at: deliveries.served - 1)
            deliveries.spend(deliver(in: room, atMost: most, to: &transport))
        }
        hub.rotateActiveRooms(served: deliveries.served)
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
    private mutating func queueBroadcast(
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

    // MARK: Clients that look at several projects

    /// Puts the turn's ordered events into the queues of those whom they concern. First thing in
    /// the flush: the segment is complete, and whoever left in this turn gets nothing. Earlier only
    /// when another client becomes an ordered one behind some of them.
    mutating func queueOrderedEvents() {
        guard outbox.ordered.segment != .none else { return }
        for position in outbox.ordered.events.indices {
            let event = outbox.ordered.events[position]
            guard let room = hub.room(of: event.project) else { continue }
            for member in 0..<hub.orderedMemberCount(of: room) {
                queue(position, of: room, to: hub.orderedClient(at: member, in: room))
            }
        }
        outbox.ordered.removeAll(in: &outbox.segments)
    }

    /// Queues the event at `position` of the turn's, which is the room's.
    private mutating func queue(_ position: Int, of room: RoomIndex, to index: ClientIndex) {
        let isCompressed = clients[index].flags.contains(.deflates)
        if isCompressed, outbox.ordered.compressed == .none { compressOrdered() }
        let event = outbox.ordered.events[position]
        let range = isCompressed ? event.compressedRange : event.range
        let isQueued = outbox.queueOrdered(
            isCompressed ? outbox.ordered.compressed : outbox.ordered.segment, range,
            frames: Int(event.frames), for: index, &clients[index].queue, clock)
        guard isQueued else {
            hub.markStale(index, in: room)
            return
        }
        metrics.deliveries &+= UInt64(event.frames)
        // The compressed form is never the larger one.
        metrics.compressionSavedBytes &+= UInt64(event.range.count - range.count)
    }

    /// Makes the compressed form of the turn's ordered segment: each event notes its place in it.
    private mutating func compressOrdered() {
        var message = outbox.message()
        let segment = outbox.ordered.segment
        for position in outbox.ordered.events.indices {
            let start = message.bytes.count
            let count = outbox.compress(
                segment, outbox.ordered.events[position].range, into: &message.bytes)
            metrics.messagesCompressed &+= UInt64(count)
            outbox.ordered.noteCompressed(start..<message.bytes.count, at: position)
        }
        outbox.ordered.setCompressed(
            outbox.segments.make(
                of: message.bytes, frames: outbox.segments.frames(of: segment)))
        outbox.discard(message)
    }

    /// Prepares a client for joining another project: from here on it gets events one by one, so
    /// what a fan-out would still have brought it is queued now.
    mutating func prepareForAnotherProject(_ index: ClientIndex) {
        guard hub.isInFanOut(index) else { return }
        // Those who are ordered already get what they are to get: of that this client has the
        // fan-out's copy, and would get another.
        queueOrderedEvents()
        guard let pending = hub.makeOrdered(index) else { return }
        if pending.fanOut != .none {
            metrics.deliveries &+= UInt64(outbox.segments.frames(of: pending.fanOut))
            queueBroadcast(pending.fanOut, from: 0, of: pending.room, to: index)
        }
        guard pending.open != .none else { return }
        // The room goes on writing to this segment, so the client gets a copy.
        let copy = outbox.segments.make(capacity: outbox.segments.count(of: pending.open))
        outbox.segments.append(contentsOf: pending.open, to: copy)
        metrics.deliveries &+= UInt64(outbox.segments.frames(of: copy))
        queueBroadcast(copy, from: 0, of: pending.room, to: index)
        outbox.segments.release(copy)
    }
}
