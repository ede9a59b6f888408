internal import Reactor

// TLS clients: from what waits for them to ciphertext on its way.
extension Server {
    /// The flush of `Core+Flush`, with broadcasts that are encrypted for each. Who came in through
    /// the admin listener is served in the clear.
    mutating func flushSecurely() {
        core.queueOrderedEvents()
        var deliveries = Deliveries(rooms: core.hub.activeRoomCount, DeliveryLimits())
        while let most = deliveries.next() {
            let room = core.hub.activeRoom(at: deliveries.served - 1)
            deliveries.spend(deliverSecurely(in: room, atMost: most))
        }
        core.hub.rotateActiveRooms(served: deliveries.served)
        let count = core.dirtyCount
        core.writeOwn(count, skipsTLS: true, to: &sender)
        for position in 0..<count {
            let index = core.dirty[position]
            if core.clients[index].flags.contains(.tls) { writeSecurely(index) }
        }
        core.endDirty(count)
        core.limitSegmentMemory()
    }

    // MARK: Broadcasts

    /// Members between the one that is served and the one whose session is fetched: memory takes less
    /// time than one sealing.
    private static let prefetchDistance: UInt32 = 1

    // Hot path.
    /// Goes on with the fan-out of a room whose members speak TLS. Each gets a record of its own; the
    /// records of a batch stand one behind the other in the sessions' output. Returns how many
    /// members were served.
    private mutating func deliverSecurely(in room: RoomIndex, atMost share: Int) -> Int {
        guard let segment = core.hub.fanOut(of: room) else { return 0 }
        var broadcast = Broadcast(of: segment, in: room, pool: core.segments)
        let frames = UInt64(core.segments.frames(of: segment))
        var served = 0
        while served < share {
            switch core.hub.nextRecipient(in: room) {
            case .member(let member):
                served += 1
                core.metrics.deliveries &+= frames
                let index = member.client
                if let later = core.hub.recipient(after: Self.prefetchDistance, in: room) {
                    secure?.sessions.prefetch(later.client)
                }
                let form = broadcast.form(for: index, &core)
                if form.count <= TLSSessionTable.recordBytesMax,
                    core.clients[index].takesBroadcastSealed
                {
                    seal(form.segment, byteCount: form.count, for: index)
                } else {
                    core.queueBroadcast(form.segment, from: 0, of: room, to: index)
                    if !core.clients[index].flags.contains(.blocked) { core.markDirty(index) }
                }
            case .finished(let finished):
                submitSealed()
                core.endFanOut(finished, in: room)
                return served
            }
        }
        submitSealed()
        return served
    }

    // Hot path.
    /// Adds the segment, encrypted for the client, to the batch.
    private mutating func seal(
        _ segment: SegmentIndex, byteCount: Int, for index: ClientIndex
    ) {
        if sender.isFull || secure?.sessions.hasRoom(for: byteCount) == false { submitSealed() }
        let sealed = secure?.seal(segment, of: core.segments, for: index) ?? 0..<0
        guard !sealed.isEmpty else {
            core.connectionFailed(index)
            return
        }
        core.metrics.sentBytes &+= UInt64(byteCount)
        // The output stays where it is until `submitSealed` has read the results.
        unsafe secure?.append(sealed, to: &sender, core.clients[index].descriptor, tag: index)
    }

    // Hot path.
    private mutating func submitSealed() {
        defer { secure?.sessions.truncateOutput(to: 0) }
        sender.submit()
        // Records that failed to be sealed left nothing behind, so each begins where the one before
        // it ends.
        var start = 0
        for position in 0..<sender.count {
            let index = sender.tag(at: position)
            let end = start + sender.byteCount(at: position)
            tookSealed(sender.result(at: position), start..<end, of: index)
            start = end
        }
        sender.removeAll()
    }

    // Hot path.
    /// Reports what became of a send of a part of the output. Returns whether the socket took it all.
    @discardableResult
    private mutating func tookSealed(
        _ result: SendResult, _ range: Range<Int>, of index: ClientIndex
    ) -> Bool {
        switch result {
        case .sent(range.count):
            return true
        case .sent(let count):
            secure?.keep(range.dropFirst(count), of: index, in: &core.segments)
            core.recordWaits(for: index)
        case .wouldBlock:
            secure?.keep(range, of: index, in: &core.segments)
            core.recordWaits(for: index)
        case .failed:
            core.connectionFailed(index)
        }
        return false
    }

    // MARK: Own frames

    /// Sends what waits for one client: first what is encrypted already, then, a record at a time and
    /// only while the socket takes it, what isn't.
    private mutating func writeSecurely(_ index: ClientIndex) {
        guard core.clients[index].phase != .gone, !core.clients[index].flags.contains(.blocked),
            sendKept(of: index)
        else { return }
        guard secure?.sessions.isEstablished(index) == true else {
            core.endUnsecured(index)
            core.settle(index, to: &sender)
            return
        }
        var budget = Limits.gatheredBytes
        while budget > 0,
            let count = core.copyWaiting(
                of: index, to: &record, bytesMax: TLSSessionTable.recordBytesMax)
        {
            budget -= count
            let isSealed = secure?.seal(record, for: index) ?? false
            guard isSealed else {
                core.connectionFailed(index)
                return
            }
            core.sealed(count, of: index)
            guard sendOutput(to: index) else { return }
        }
        if core.saysNothingMore(index) {
            secure?.sessions.finish(index)
            guard sendOutput(to: index) else { return }
        }
        core.settle(index, to: &sender)
    }

    /// Sends all of the output to one client. Returns whether its socket took it.
    private mutating func sendOutput(to index: ClientIndex) -> Bool {
        guard let count = secure?.sessions.outputCount, count > 0 else { return true }
        defer { secure?.sessions.truncateOutput(to: 0) }
        let descriptor = core.clients[index].descriptor
        guard let result = secure?.sendOutput(to: descriptor) else { return false }
        return tookSealed(result, 0..<count, of: index)
    }

    /// Sends what is kept for the client. Returns whether nothing is left of it.
    private mutating func sendKept(of index: ClientIndex) -> Bool {
        guard secure?.keepsCiphertext(of: index) == true else { return true }
        let descriptor = core.clients[index].descriptor
        let result = secure?.sendKept(of: index, in: core.segments, to: descriptor) ?? .failed
        switch result {
        case .sent(let count):
            core.madeProgress(index)
            let isAll = secure?.sentKept(count, of: index, in: &core.segments) ?? true
            if isAll { return true }
            core.block(index)
        case .wouldBlock:
            core.block(index)
        case .failed:
            core.connectionFailed(index)
        }
        return false
    }
}

extension SecureClients {
    // Hot path.
    /// Returns where in the output the record stands; an empty range when the session has failed.
    fileprivate mutating func seal(
        _ segment: SegmentIndex, of pool: borrowing SegmentPool, for index: ClientIndex
    ) -> Range<Int> {
        let start = sessions.outputCount
        _ = sessions.seal(pool.bytes(of: segment), for: index)
        return start..<sessions.outputCount
    }

    fileprivate mutating func seal(_ record: borrowing ByteBuffer, for index: ClientIndex) -> Bool {
        sessions.seal(record.bytes, for: index)
    }

    // Hot path.
    /// The output must not be truncated before the batch's results have been read.
    @unsafe fileprivate func append(
        _ sealed: Range<Int>, to sender: inout SocketSender, _ descriptor: Int32, tag: UInt32
    ) {
        unsafe sender.append(
            descriptor: descriptor, bytes: sessions.outputAddress + sealed.lowerBound,
            count: sealed.count, tag: tag)
    }

    fileprivate func sendKept(
        of index: ClientIndex, in pool: borrowing SegmentPool, to descriptor: Int32
    ) -> SendResult {
        let bytes = pool.bytes(of: kept[index].segment)
        return ClientSocket.send(
            bytes.extracting(droppingFirst: Int(kept[index].start)), to: descriptor)
    }

    fileprivate func sendOutput(to descriptor: Int32) -> SendResult {
        ClientSocket.send(sessions.output, to: descriptor)
    }
}
