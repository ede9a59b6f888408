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

    // MARK: Own frames

    /// Writes to the first `count` clients that have something of their own to send. Those who get
    /// one piece are served in batches, as for broadcasts; what is in several pieces goes out with one
    /// gathered write each.
    private mutating func writeOwn<Target: Transport & ~Copyable>(
        _ count: Int, to transport: inout Target
    ) {
        let encrypts = Target.encrypts
        for position in 0..<count {
            let index = outbox.dirty[position]
            if encrypts, clients[index].flags.contains(.tls) {
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
        guard isSent else { return }
        if saysNothingMore(index) {
            guard handle(transport.sendEnd(of: index, to: descriptor), of: index) else { return }
        }
        settle(index, to: &transport)
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
