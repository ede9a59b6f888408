internal import Reactor

// Everything goes out: broadcasts first, one send of a project's whole segment to each of its
// members, then what clients get of their own, one gathered write each.
extension Core {
    /// The whole flush of a turn, when nobody speaks TLS.
    package mutating func flush(
        to sender: inout some Sender & ~Copyable, _ limits: DeliveryLimits = DeliveryLimits()
    ) {
        queueOrderedEvents()
        deliverBroadcasts(to: &sender, limits)
        let count = dirtyCount
        writeOwn(count, to: &sender)
        endDirty(count)
        limitSegmentMemory()
    }

    // MARK: Broadcasts

    /// Serves the projects that have something to send, each up to its share, and stops at the
    /// turn's budget.
    private mutating func deliverBroadcasts(
        to sender: inout some Sender & ~Copyable, _ limits: DeliveryLimits
    ) {
        var deliveries = Deliveries(rooms: hub.activeRoomCount, limits)
        while let most = deliveries.next() {
            let room = hub.activeRoom(at: deliveries.served - 1)
            deliveries.spend(deliver(in: room, atMost: most, to: &sender))
        }
        hub.rotateActiveRooms(served: deliveries.served)
    }

    // Hot path.
    /// Goes on with the room's fan-out. Returns how many members were served.
    private mutating func deliver(
        in room: RoomIndex, atMost share: Int, to sender: inout some Sender & ~Copyable
    ) -> Int {
        guard let segment = hub.fanOut(of: room) else { return 0 }
        var broadcast = Broadcast(of: segment, in: room, pool: segments)
        let frames = UInt64(segments.frames(of: segment))
        var served = 0
        while served < share {
            switch hub.nextRecipient(in: room) {
            case .member(let member):
                served += 1
                metrics.deliveries &+= frames
                let index = member.client
                let form = broadcast.form(for: index, &self)
                if clients[index].takesBroadcastDirectly {
                    unsafe sender.append(
                        descriptor: clients[index].descriptor, bytes: form.bytes,
                        count: form.count, tag: index)
                    if sender.isFull { submit(broadcast, to: &sender) }
                } else {
                    queueBroadcast(form.segment, from: 0, of: room, to: index)
                }
            case .finished(let finished):
                submit(broadcast, to: &sender)
                endFanOut(finished, in: room)
                return served
            }
        }
        submit(broadcast, to: &sender)
        return served
    }

    // Hot path.
    private mutating func submit(
        _ broadcast: Broadcast, to sender: inout some Sender & ~Copyable
    ) {
        sender.submit()
        for position in 0..<sender.count {
            let index = sender.tag(at: position)
            let form = broadcast.usedForm(for: index, self)
            sentDirectly(
                sender.result(at: position), form.segment, byteCount: form.count,
                of: broadcast.room, to: index)
        }
        sender.removeAll()
    }

    // MARK: Own frames

    /// Writes to the first `count` clients that have something of their own to send, as it is; with
    /// `skipsTLS` not to those that speak TLS. Those who get one piece are served in batches, as for
    /// broadcasts; what is in several pieces goes out with one gathered write each.
    mutating func writeOwn(
        _ count: Int, skipsTLS: Bool = false, to sender: inout some Sender & ~Copyable
    ) {
        for position in 0..<count {
            let index = dirty[position]
            if skipsTLS, clients[index].flags.contains(.tls) { continue }
            guard let descriptor = sendingDescriptor(of: index) else {
                settle(index, to: &sender)
                continue
            }
            if let piece = onlyPiece(of: index) {
                // The queue's reference keeps the bytes in place until the result is reported.
                unsafe sender.append(
                    descriptor: descriptor,
                    bytes: segments.address(of: piece.segment) + Int(piece.start),
                    count: Int(piece.end - piece.start), tag: index)
                if sender.isFull { submitOwn(to: &sender) }
            } else {
                gather(index, into: &sender)
                let result = sender.sendWrite(to: descriptor)
                wrote(result, of: sender.writeByteCount, to: index)
                settle(index, to: &sender)
            }
        }
        submitOwn(to: &sender)
    }

    private mutating func submitOwn(to sender: inout some Sender & ~Copyable) {
        sender.submit()
        for position in 0..<sender.count {
            let index = sender.tag(at: position)
            wrote(
                sender.result(at: position), of: sender.byteCount(at: position), to: index)
            settle(index, to: &sender)
        }
        sender.removeAll()
    }

    mutating func settle(_ index: ClientIndex, to sender: inout some Sender & ~Copyable) {
        if let descriptor = settle(index) { sender.finishSending(descriptor) }
    }

    /// Fills a write with what waits for the client, up to the bounds of one write.
    private mutating func gather(
        _ index: ClientIndex, into sender: inout some Sender & ~Copyable
    ) {
        sender.beginWrite()
        var node = nodes.first(of: clients[index].queue)
        while node != 0, !sender.isWriteFull, sender.writeByteCount < Limits.gatheredBytes {
            let piece = nodes.piece(at: node)
            // The queue's reference keeps the bytes until the result is reported.
            unsafe sender.addPiece(
                segments.address(of: piece.segment) + Int(piece.start),
                count: Int(piece.end - piece.start))
            node = nodes.next(after: node)
        }
    }
}
