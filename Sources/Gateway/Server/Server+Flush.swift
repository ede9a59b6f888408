internal import Reactor

// Everything goes out: broadcasts first, one send of a project's whole segment to each of its
// members, then what clients get of their own, one gathered write each.
extension Server {
    mutating func flush() {
        core.queueOrderedEvents()
        deliverBroadcasts()
        writeOwn()
        if !core.announced.isEmpty {
            core.observeFlush(wall: Timestamp(microseconds: Clock.wallMicroseconds()))
        }
        core.limitSegmentMemory()
    }

    // MARK: Broadcasts

    /// Serves the projects that have something to send, each up to its share, and stops at the
    /// turn's budget: a large audience is served over several turns, between which everybody else
    /// is heard.
    private mutating func deliverBroadcasts() {
        let rooms = core.hub.activeRoomCount
        guard rooms > 0 else { return }
        var budget = Limits.deliveriesPerTurn
        let share = max(Limits.deliveriesPerRoomShare, budget / rooms)
        var served = 0
        while served < rooms, budget > 0 {
            let room = core.hub.activeRoom(at: served)
            let most = min(share, budget)
            budget -= max(
                1,
                secure == nil
                    ? deliver(in: room, atMost: most) : deliverSecurely(in: room, atMost: most))
            served += 1
        }
        core.hub.rotateActiveRooms(served: served)
    }

    // Hot path.
    /// Goes on with the room's fan-out. Returns how many members were served.
    private mutating func deliver(in room: RoomIndex, atMost share: Int) -> Int {
        guard let segment = core.hub.fanOut(of: room) else { return 0 }
        let count = core.segments.count(of: segment)
        let frames = UInt64(core.segments.frames(of: segment))
        // The fan-out's reference keeps the bytes in place until `finished`.
        let bytes = unsafe core.segments.address(of: segment)
        var served = 0
        while served < share {
            switch core.hub.nextRecipient(in: room) {
            case .member(let member):
                served += 1
                core.metrics.deliveries &+= frames
                let index = member.client
                if core.clients[index].takesBroadcastDirectly {
                    unsafe batch.append(
                        descriptor: core.clients[index].descriptor, bytes: bytes, count: count,
                        tag: index)
                    if batch.isFull { submit(segment, byteCount: count, of: room) }
                } else {
                    core.queueBroadcast(segment, from: 0, of: room, to: index)
                }
            case .finished(let finished):
                submit(segment, byteCount: count, of: room)
                core.segments.release(finished)
                return served
            }
        }
        submit(segment, byteCount: count, of: room)
        return served
    }

    // Hot path.
    private mutating func submit(_ segment: SegmentIndex, byteCount: Int, of room: RoomIndex) {
        submitBatch()
        for position in 0..<batch.count {
            core.sentDirectly(
                batch.result(at: position), segment, byteCount: byteCount, of: room,
                to: batch.tag(at: position))
        }
        batch.removeAll()
    }

    // Hot path.
    mutating func submitBatch() {
        guard !batch.isEmpty else { return }
        batch.submit()
        core.metrics.ringRefusals = batch.refusals
        if batch.method != core.sendMethod { noteSendMethod() }
    }

    /// The ring failed so often that it was given up.
    @inline(never)
    private mutating func noteSendMethod() {
        core.sendMethod = batch.method
        core.log.sendMethodChanged(to: batch.method.name, because: "io_uring keeps failing")
    }

    // MARK: Own frames

    /// Those who get one piece are served in batches, as for broadcasts; what is in several pieces
    /// goes out with one gathered write each.
    private mutating func writeOwn() {
        let count = core.dirtyCount
        for position in 0..<count {
            let index = core.dirtyClient(at: position)
            guard !core.clients[index].flags.contains(.tls) else {
                writeSecurely(index)
                continue
            }
            guard let descriptor = core.sendingDescriptor(of: index) else {
                settle(index)
                continue
            }
            if let piece = core.onlyPiece(of: index) {
                // The queue's reference keeps the bytes in place until the result is reported.
                unsafe batch.append(
                    descriptor: descriptor,
                    bytes: core.segments.address(of: piece.segment) + Int(piece.start),
                    count: Int(piece.end - piece.start), tag: index)
                if batch.isFull { submitOwn() }
            } else {
                core.gather(index, into: &gathered)
                let result = gathered.send(to: descriptor)
                core.wrote(result, of: gathered.byteCount, to: index)
                settle(index)
            }
        }
        submitOwn()
        core.endDirty(count)
    }

    private mutating func submitOwn() {
        submitBatch()
        for position in 0..<batch.count {
            let index = batch.tag(at: position)
            core.wrote(
                batch.result(at: position), of: batch.byteCount(at: position), to: index)
            settle(index)
        }
        batch.removeAll()
    }

    mutating func settle(_ index: ClientIndex) {
        if let descriptor = core.settle(index) { ClientSocket.finishSending(descriptor) }
    }
}
