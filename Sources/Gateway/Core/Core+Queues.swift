internal import Reactor

// What clients get from their queues: events of those who look at several projects, answers, and the
// broadcasts that their sockets didn't take at once.
extension Core {
    // MARK: Writing

    /// Writes to clients that have something of their own to send, within the turn's budget: the others
    /// are the first in the next turn. Those who get one piece are served in batches, as for broadcasts;
    /// what is in several pieces goes out with one gathered write each. Returns how many were served.
    mutating func writeOwn<Target: Transport & ~Copyable>(
        _ limits: DeliveryLimits, to transport: inout Target
    ) -> Int {
        let encrypts = Target.encrypts
        let count = min(outbox.dirty.count, limits.writesPerTurn)
        var served = 0
        var bytes = 0
        while served < count, bytes < limits.writtenBytesPerTurn {
            let index = outbox.dirty[served]
            served += 1
            if encrypts, clients[index].flags.contains(.tls) {
                bytes += writeSealed(index, to: &transport)
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
                bytes += Int(piece.end - piece.start)
                if transport.isFull { submitOwn(to: &transport) }
            } else {
                gather(index, into: &transport)
                bytes += transport.writeByteCount
                let result = transport.sendWrite(to: descriptor)
                wrote(result, of: transport.writeByteCount, to: index)
                settle(index, to: &transport)
            }
        }
        submitOwn(to: &transport)
        return served
    }

    @inline(__always)
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
    /// at a time and only while the socket takes it, what isn't. Returns how many bytes were encrypted.
    private mutating func writeSealed<Target: Transport & ~Copyable>(
        _ index: ClientIndex, to transport: inout Target
    ) -> Int {
        guard maySend(to: index) else { return 0 }
        let descriptor = clients[index].descriptor
        guard handle(transport.sendKept(of: index, to: descriptor), of: index) else { return 0 }
        guard transport.isEstablished(index) else {
            endUnsecured(index)
            settle(index, to: &transport)
            return 0
        }
        var record = outbox.message()
        var budget = Limits.gatheredBytes
        var isSent = true
        while isSent, budget > 0 {
            let count = outbox.copy(
                clients[index].queue, to: &record.bytes, bytesMax: Target.recordBytesMax)
            guard count > 0 else { break }
            budget -= count
            let result = transport.sendRecord(record.bytes, of: index, to: descriptor)
            // What is encrypted counts as sent, since there is no way back.
            advance(count, of: index)
            isSent = handle(result, of: index)
        }
        outbox.discard(record)
        let written = Limits.gatheredBytes - budget
        guard isSent else { return written }
        if saysNothingMore(index) {
            guard handle(transport.sendEnd(of: index, to: descriptor), of: index) else {
                return written
            }
        }
        settle(index, to: &transport)
        return written
    }

    /// Acts on what became of ciphertext. Returns whether the socket has taken it all.
    @discardableResult
    mutating func handle(_ result: RecordResult, of index: ClientIndex) -> Bool {
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
    mutating func block(_ index: ClientIndex) {
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
        guard clients[index].queue.isEmpty else { return }
        switch clients[index].phase {
        case .flushing: connectionLost(index)
        case .draining:
            _ = clients[index].handle(.outputSent)
            transport.finishSending(clients[index].descriptor)
        case .awaitingInit, .open:
            // While the socket takes nothing, more may be withheld, and one resync says it all.
            if clients[index].queue.marks.isCollapsedAndFree { sendWithheldResyncs(to: index) }
            if presence.isBehind(index) { tellMissedStates(to: index) }
            if direct.isBehind(index) { continueInbox(of: index) }
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
    mutating func endDirty(_ count: Int) {
        for position in 0..<count {
            clients.leaveDirty(outbox.dirty[position])
        }
        for position in 0..<count {
            let index = outbox.dirty[position]
            if maySend(to: index), !clients[index].queue.isEmpty {
                outbox.markDirty(index, &clients[index].queue)
            }
        }
        outbox.removeDirty(count)
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
