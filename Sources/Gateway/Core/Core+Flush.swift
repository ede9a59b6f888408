internal import Reactor

// Everything goes out: broadcasts first, one send of a project's whole segment to each of its
// members, then what clients get of their own, one gathered write each. Between them those are judged
// for whom too much waits.
extension Core {
    /// The flush of a turn.
    package mutating func flush(
        to transport: inout some Transport & ~Copyable, _ limits: DeliveryLimits = DeliveryLimits()
    ) {
        queueOrderedEvents()
        deliverBroadcasts(to: &transport, limits)
        enforceBounds()
        let count = outbox.dirty.count
        writeOwn(count, to: &transport)
        endDirty(count)
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
    /// turn's budget.
    private mutating func deliverBroadcasts(
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
        var served = 0
        while served < share {
            switch hub.nextRecipient(in: room) {
            case .member(let member):
                served += 1
                metrics.deliveries &+= frames
                let index = member.client
                let isCompressed = clients[index].flags.contains(.deflates)
                if isCompressed { compress(&broadcast) }
                let form = broadcast.form(isCompressed)
                if Target.encrypts, clients[index].flags.contains(.tls) {
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
        transport.submit()
        for position in 0..<transport.count {
            let index = transport.tag(at: position)
            if Target.encrypts, clients[index].flags.contains(.tls) {
                handle(transport.finishRecord(at: position), of: index)
            } else {
                let form = broadcast.form(clients[index].flags.contains(.deflates))
                sentDirectly(
                    transport.result(at: position), form, of: broadcast.room, to: index)
            }
        }
        transport.removeAll()
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

    /// Makes the compressed form of a fan-out, once; the same segment where nothing is gained.
    private mutating func compress(_ broadcast: inout Broadcast) {
        if broadcast.compressed == nil {
            let segment =
                hub.compressedFanOut(of: broadcast.room)
                ?? compressFanOut(of: broadcast.plain.segment, in: broadcast.room)
            broadcast.compressed = Broadcast.Form(segment, in: outbox.segments)
        }
        let saved = broadcast.plain.count - broadcast.form(true).count
        metrics.compressionSavedBytes &+= UInt64(saved)
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
        if let compressed = hub.takeCompressedFanOut(of: room) {
            outbox.segments.release(compressed)
        }
    }

    // MARK: Clients that look at several projects

    /// Puts the turn's ordered events into the queues of those whom they concern. First thing in
    /// the flush: the segment is complete, and whoever left in this turn gets nothing. Earlier only
    /// when another client becomes an ordered one behind some of them.
    private mutating func queueOrderedEvents() {
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

    // MARK: Own frames

    /// Writes to the first `count` clients that have something of their own to send. Those who get
    /// one piece are served in batches, as for broadcasts; what is in several pieces goes out with one
    /// gathered write each.
    private mutating func writeOwn<Target: Transport & ~Copyable>(
        _ count: Int, to transport: inout Target
    ) {
        for position in 0..<count {
            let index = outbox.dirty[position]
            if Target.encrypts, clients[index].flags.contains(.tls) {
                writeSealed(index, to: &transport)
                continue
            }
            guard maySend(to: index), !clients[index].queue.isEmpty else {
                settle(index, to: &transport)
                continue
            }
            let descriptor = clients[index].descriptor
            if let piece = outbox.onlyPiece(of: clients[index].queue) {
                // The queue's reference keeps the bytes in place until the result is reported.
                unsafe transport.append(
                    descriptor: descriptor,
                    bytes: outbox.segments.address(of: piece.segment) + Int(piece.start),
                    count: Int(piece.end - piece.start), tag: index)
                if transport.isFull { submitOwn(to: &transport) }
            } else {
                gather(index, into: &transport)
                let result = transport.sendWrite(to: descriptor)
                wrote(result, of: transport.writeByteCount, to: index)
                settle(index, to: &transport)
            }
        }
        submitOwn(to: &transport)
    }

    private func maySend(to index: ClientIndex) -> Bool {
        clients[index].phase != .closed && !clients[index].queue.marks.contains(.blocked)
    }

    private mutating func submitOwn(to transport: inout some Transport & ~Copyable) {
        transport.submit()
        for position in 0..<transport.count {
            let index = transport.tag(at: position)
            wrote(
                transport.result(at: position), of: transport.byteCount(at: position), to: index)
            settle(index, to: &transport)
        }
        transport.removeAll()
    }

    /// Fills a write with what waits for the client, up to the bounds of one write.
    private mutating func gather(
        _ index: ClientIndex, into transport: inout some Transport & ~Copyable
    ) {
        transport.beginWrite()
        var node = outbox.nodes.first(of: clients[index].queue.pieces)
        while node != 0, !transport.isWriteFull, transport.writeByteCount < Limits.gatheredBytes {
            let piece = outbox.nodes.piece(at: node)
            // The queue's reference keeps the bytes until the result is reported.
            unsafe transport.addPiece(
                outbox.segments.address(of: piece.segment) + Int(piece.start),
                count: Int(piece.end - piece.start))
            node = outbox.nodes.next(after: node)
        }
    }

    /// Reports what became of a write of `offered` bytes.
    private mutating func wrote(_ result: SendResult, of offered: Int, to index: ClientIndex) {
        switch result {
        case .sent(let count):
            advance(count, of: index)
            if count < offered { block(index) }
        case .wouldBlock:
            block(index)
        case .failed:
            connectionLost(index)
        }
    }

    /// Sends what waits for a client that speaks TLS: first what is encrypted already, then, a record
    /// at a time and only while the socket takes it, what isn't.
    private mutating func writeSealed<Target: Transport & ~Copyable>(
        _ index: ClientIndex, to transport: inout Target
    ) {
        guard maySend(to: index) else { return }
        let descriptor = clients[index].descriptor
        guard handle(transport.sendKept(of: index, to: descriptor), of: index) else { return }
        guard transport.isEstablished(index) else {
            endUnsecured(index)
            settle(index, to: &transport)
            return
        }
        var record = outbox.message()
        var budget = Limits.gatheredBytes
        var isTaken = true
        while isTaken, budget > 0 {
            let count = outbox.copy(
                clients[index].queue, to: &record.bytes, bytesMax: Target.recordBytesMax)
            guard count > 0 else { break }
            budget -= count
            let result = transport.sendRecord(record.bytes, of: index, to: descriptor)
            // What is encrypted counts as sent, since there is no way back.
            advance(count, of: index)
            isTaken = handle(result, of: index)
        }
        outbox.discard(record)
        guard isTaken else { return }
        if saysNothingMore(index) {
            guard handle(transport.sendEnd(of: index, to: descriptor), of: index) else { return }
        }
        settle(index, to: &transport)
    }

    /// Acts on what became of ciphertext. Returns whether the socket has taken it all.
    @discardableResult
    private mutating func handle(_ result: RecordResult, of index: ClientIndex) -> Bool {
        switch result {
        case .sent: return true
        case .waits(let tookSome):
            if tookSome { clients[index].queue.progressTick = clock.tick }
            block(index)
        case .failed: connectionLost(index)
        }
        return false
    }

    /// Whether our direction ends once everything has been sent: then TLS wants its close_notify.
    private func saysNothingMore(_ index: ClientIndex) -> Bool {
        guard clients[index].queue.isEmpty else { return false }
        return clients[index].phase == .flushing || clients[index].phase == .draining
    }

    /// An answer waits for a client whose handshake isn't over, or never will be: its time is up.
    private mutating func endUnsecured(_ index: ClientIndex) {
        guard !clients[index].queue.isEmpty else { return }
        metrics.tls.failures[.abandoned] += 1
        connectionLost(index)
    }

    // MARK: Progress

    private mutating func advance(_ count: Int, of index: ClientIndex) {
        metrics.sentBytes &+= UInt64(count)
        outbox.advance(&clients[index].queue, by: count, clock)
    }

    /// Waits for epoll to report that the socket takes bytes.
    private mutating func block(_ index: ClientIndex) {
        guard clients[index].phase != .closed, outbox.block(&clients[index].queue, clock) else {
            return
        }
        clients.noteInterest(of: index)
        clients.scheduleVisit(of: index, clock)
    }

    /// epoll says that the client's socket takes bytes again.
    package mutating func becameWritable(_ index: ClientIndex) {
        if outbox.unblock(&clients[index].queue, index) { clients.noteInterest(of: index) }
    }

    /// Something waits for the client besides its queue: the flush has to look at it.
    package mutating func noteOutput(for index: ClientIndex) {
        outbox.markDirty(index, &clients[index].queue)
    }

    /// When everything that waited is with the kernel, what was put off until then happens now.
    private mutating func settle(
        _ index: ClientIndex, to transport: inout some Transport & ~Copyable
    ) {
        guard clients[index].queue.isEmpty, maySend(to: index) else { return }
        switch clients[index].phase {
        case .flushing: connectionLost(index)
        case .draining:
            _ = clients[index].handle(.outputSent)
            transport.finishSending(clients[index].descriptor)
        case .awaitingInit, .open:
            // While the socket takes nothing, more may be withheld, and one resync says it all.
            if clients[index].queue.marks.contains(.collapsed) { sendWithheldResyncs(to: index) }
        case .request:
            if clients[index].flags.contains(.awaitsAnswer) { answerSent(to: index) }
        case .proxyHeader, .closing, .finished, .closed: break
        }
    }

    /// The client's next request is read.
    private mutating func answerSent(to index: ClientIndex) {
        let user = clients[index].user
        admission.endCountForUser(user, &clients[index].allowance)
        clients.endPause(of: index, .awaitsAnswer, clock)
    }

    /// Takes the first `count` clients out of the list. One that still has something to send and
    /// whose socket takes it is listed again.
    private mutating func endDirty(_ count: Int) {
        for position in 0..<count {
            clients[outbox.dirty[position]].queue.marks.remove(.dirty)
        }
        for position in 0..<count {
            let index = outbox.dirty[position]
            if maySend(to: index), !clients[index].queue.isEmpty {
                outbox.markDirty(index, &clients[index].queue)
            }
        }
        outbox.removeDirty(count)
    }
}
