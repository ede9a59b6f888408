internal import Reactor

// What the flush phase asks and reports.
extension Core {
    // MARK: Gathered writes

    /// Clients with something of their own to send.
    var dirtyCount: Int { dirty.count }

    /// Takes the first `count` clients out of the list. One that still has something to send and
    /// whose socket takes it is listed again.
    mutating func endDirty(_ count: Int) {
        for position in 0..<count {
            clients[dirty[position]].flags.remove(.dirty)
        }
        let last = dirty.count
        for position in 0..<count {
            let index = dirty[position]
            let client = clients[index]
            if client.phase != .gone, !client.queue.isEmpty, !client.flags.contains(.blocked) {
                markDirty(index)
            }
        }
        assert(dirty.count >= last)
        dirty.removeFirst(count)
    }

    /// The client's descriptor, when it has something to send and epoll hasn't to be awaited.
    func sendingDescriptor(of index: ClientIndex) -> Int32? {
        let client = clients[index]
        guard client.phase != .gone, !client.queue.isEmpty, !client.flags.contains(.blocked)
        else { return nil }
        return client.descriptor
    }

    // Hot path.
    /// What waits for the client, when that is one piece.
    func onlyPiece(of index: ClientIndex) -> QueuedPiece? {
        let first = nodes.first(of: clients[index].queue)
        guard first != 0, nodes.next(after: first) == 0 else { return nil }
        return nodes.piece(at: first)
    }

    /// Reports what became of a gathered write of `offered` bytes.
    mutating func wrote(_ result: SendResult, of offered: Int, to index: ClientIndex) {
        switch result {
        case .sent(let count):
            take(count, of: index)
            if count < offered { block(index) }
        case .wouldBlock:
            block(index)
        case .failed:
            connectionFailed(index)
        }
    }

    /// epoll says that the client's socket takes bytes again.
    package mutating func becameWritable(_ index: ClientIndex) {
        guard clients[index].flags.contains(.blocked) else { return }
        clients[index].flags.remove(.blocked)
        noteInterest(of: index)
        markDirty(index)
    }

    // MARK: Direct sends

    // Hot path.
    /// Reports what became of a broadcast that was sent without queueing.
    mutating func sentDirectly(
        _ result: SendResult, _ segment: SegmentIndex, byteCount: Int, of room: RoomIndex,
        to index: ClientIndex
    ) {
        switch result {
        case .sent(byteCount):
            metrics.sentBytes &+= UInt64(byteCount)
        case .sent(let count):
            metrics.sentBytes &+= UInt64(count)
            queueBroadcast(segment, from: count, of: room, to: index)
            block(index)
        case .wouldBlock:
            queueBroadcast(segment, from: 0, of: room, to: index)
            block(index)
        case .failed:
            connectionFailed(index)
        }
    }

    // MARK: Progress

    mutating func take(_ count: Int, of index: ClientIndex) {
        metrics.sentBytes &+= UInt64(count)
        if count > 0 { clients[index].progressTick = nowTick }
        var rest = count
        while rest > 0 {
            let first = nodes.piece(at: nodes.first(of: clients[index].queue))
            let left = Int(first.end - first.start)
            guard rest >= left else {
                let framesLeft =
                    first.tag == QueueTag.response || first.tag == QueueTag.resumed
                    ? Int(first.frames)
                    : framesLeft(
                        in: first.segment, from: Int(first.start) + rest, to: Int(first.end))
                nodes.advance(&clients[index].queue, by: rest, framesLeft: framesLeft)
                return
            }
            segments.release(nodes.removeFirst(from: &clients[index].queue).segment)
            rest -= left
        }
    }

    /// Waits for epoll to tell that the socket takes bytes.
    mutating func block(_ index: ClientIndex) {
        guard clients[index].phase != .gone, !clients[index].flags.contains(.blocked) else {
            return
        }
        clients[index].flags.insert(.blocked)
        noteInterest(of: index)
        scheduleVisit(of: index)
    }

    /// When everything that waited is with the kernel, what was put off until then happens now.
    /// Returns the descriptor whose sending direction has to be ended, if that is it.
    mutating func settle(_ index: ClientIndex) -> Int32? {
        guard clients[index].queue.isEmpty else { return nil }
        switch clients[index].phase {
        case .flushing:
            finish(index)
        case .awaitingInit, .open:
            // While the socket takes nothing, more may be withheld, and one resync says it all.
            if clients[index].flags.contains(.collapsed), !clients[index].flags.contains(.blocked) {
                sendWithheldResyncs(to: index)
            }
        case .draining where !clients[index].flags.contains(.writeEnded):
            clients[index].flags.insert(.writeEnded)
            return clients[index].descriptor
        case .proxyHeader, .request, .closing, .draining, .gone:
            break
        }
        return nil
    }
}
