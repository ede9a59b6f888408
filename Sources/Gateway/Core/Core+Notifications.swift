internal import Reactor

// From what the database announces to the segments of the projects.
extension Core {
    // Hot path, once for each notification.
    /// Takes in the payload of a notification on `cache_invalidate`: encodes it once and appends
    /// it to the segment of its project. A payload that can't be understood is counted, logged and
    /// skipped; a plain one of a project in which nobody is interested costs a look at it.
    package mutating func notify(_ payload: borrowing Span<UInt8>) {
        metrics.notificationsReceived += 1
        log.notificationReceived(payload: payload, at: now)
        let outline = PayloadOutline(payload)
        if let outline, !isOfInterest(outline.project) {
            metrics.notificationsWithoutAudience += 1
            return
        }
        text.removeAll()
        do throws(NotificationError) {
            let facts = try Notification.encode(payload: payload, outline: outline, into: &text)
            if settings.checksMembership { revoke(facts) }
            if let cursor = facts.cursor { advance(to: cursor) }
            let room = hub.room(of: facts.project)
            guard room != nil || reads.concerns(facts.project) else {
                metrics.notificationsWithoutAudience += 1
                return
            }
            let audience = room.map { hub.memberCount(of: $0) } ?? 0
            ServerMessage.addSpread(
                milliseconds: settings.pacing.spreadMilliseconds(audience: audience), to: &text)
            frame.removeAll()
            FrameEncoder.write(text, opcode: .text, into: &frame)
            if !reads.isEmpty, settings.plantedFault != .forgetsWhatComesMeanwhile {
                reads.keep(frame, of: facts.project)
            }
            guard let room else { return }
            guard hub.suspension(of: room) == .none else {
                metrics.notificationsWithheld += 1
                return
            }
            if let timestamp = facts.timestamp, announced.count < Limits.notificationsPerTurn {
                announced.append(timestamp)
            }
            log.broadcast(project: facts.project, clients: audience, at: now)
            broadcastFrame(to: room)
            if settings.checksMembership, facts.effect == .projectDeleted {
                close(facts.project, .projectDeleted)
            }
        } catch {
            metrics.notificationsInvalid += 1
            log.badNotification(detail: "\(error.description)", payload: payload, at: now)
        }
    }

    /// Whether anybody looks at the project, or is about to.
    private func isOfInterest(_ project: ProjectID) -> Bool {
        hub.room(of: project) != nil || !reads.isEmpty && reads.concerns(project)
            || settings.checksMembership && awaitsAnswer(about: project)
    }

    /// Appends what `frame` holds to the room's segment of this turn.
    private mutating func broadcastFrame(to room: RoomIndex) {
        appendOrdered(frames: 1, to: room)
        // A resync that is still to be delivered says it too.
        if hub.fanOutMemberCount(of: room) == 0 || hub.isResyncPending(in: room) { return }
        let fits = hub.append(
            frame, to: room, in: &segments, framesMax: Limits.segmentFramesMax,
            bytesMax: Limits.segmentBytesMax)
        if !fits { replaceWithResync(room, .tooManyChanges) }
    }

    // MARK: Resyncs

    /// The listener has begun to listen, after the start or after a loss: whatever was committed
    /// before wasn't heard. Every project with an audience gets it from the event log, or a resync,
    /// some in each turn.
    package mutating func listenerBecameLive() {
        isListening = true
        catchUp()
    }

    /// What was being read has a gap behind it now; the next catch-up is another one.
    package mutating func listenerWasLost() {
        isListening = false
        reads.dropAudiences()
        catchUpDeadline = nil
        reads.askAllAgain()
    }

    /// Goes on with a resync of every project.
    package mutating func continueResync() {
        guard var cursor = resyncCursor else { return }
        var budget = Limits.resyncRoomsPerTurn
        while budget > 0, cursor < hub.roomIndexEnd {
            if let room = hub.liveRoom(cursor) {
                resync(room, .listenerReconnected)
                budget -= 1
            }
            cursor += 1
        }
        resyncCursor = cursor < hub.roomIndexEnd ? cursor : nil
    }

    /// Tells the whole audience of a project that it may have missed something.
    mutating func resync(_ room: RoomIndex, _ reason: ResyncReason) {
        replaceWithResync(room, reason)
        appendOrdered(frames: resources.names.count, to: room)
    }

    /// Puts a resync in the place of what the project's segment of this turn holds, since it says
    /// that too. It is left in `frame`.
    private mutating func replaceWithResync(_ room: RoomIndex, _ reason: ResyncReason) {
        metrics.resyncs[reason] += 1
        log.resync(
            project: hub.project(of: room), cause: reason, clients: hub.memberCount(of: room),
            at: now)
        // Without its listener the gateway told nobody anything, so now it tells everybody.
        let audience =
            reason == .listenerReconnected
            ? Int(metrics.connections) : hub.memberCount(of: room)
        writeResync(
            of: hub.project(of: room), reason,
            spreadMilliseconds: settings.pacing.spreadMilliseconds(audience: audience))
        guard hub.fanOutMemberCount(of: room) > 0 else { return }
        hub.replaceWithResync(
            frame, frameCount: resources.names.count, in: room, pool: &segments)
    }

    /// Tells a client that was too slow, and has nothing else to get, what it wasn't told: one
    /// resync of each project concerned. With many projects the queue would be over its bounds at
    /// once, so they come in parts, each when the one before is with the kernel.
    mutating func sendWithheldResyncs(to index: ClientIndex) {
        while clients[index].queue.frameCount <= Limits.queueFramesMax / 2 {
            guard let project = hub.takeStaleProject(of: index) else {
                clients[index].flags.remove(.collapsed)
                return
            }
            metrics.resyncs[.slowConsumer] += 1
            writeResync(of: project, .slowConsumer)
            appendToQueue(frames: resources.names.count, of: index)
        }
    }

    /// Tells one client to fetch everything of the project: now, or, if much is queued for it already
    /// or nothing more can be, when its socket has taken that. Being told of many projects at once
    /// makes nobody slow.
    mutating func queueResync(of project: ProjectID, _ reason: ResyncReason, to index: ClientIndex)
    {
        let frames = Int(clients[index].queue.frameCount) + resources.names.count
        if frames > Limits.queueFramesMax / 2 { withholdBroadcasts(from: index) }
        guard !clients[index].flags.contains(.collapsed) else {
            withhold(project, from: index)
            return
        }
        metrics.resyncs[reason] += 1
        writeResync(of: project, reason)
        queueOwn(frames: resources.names.count, to: index)
    }

    /// A client with whom nothing more can be queued gets its resync when its socket takes bytes.
    mutating func withhold(_ project: ProjectID, from index: ClientIndex) {
        if let room = hub.room(of: project) { hub.markStale(index, in: room) }
    }

    /// Leaves the frames of a resync of `project` in `frame`: one for each resource.
    mutating func writeResync(
        of project: ProjectID, _ reason: ResyncReason, spreadMilliseconds: UInt32 = 0
    ) {
        frame.removeAll()
        for position in resources.names.indices {
            let name = resources.names[position]
            text.removeAll()
            ServerMessage.writeResync(
                ofResource: name.span, project: project, at: wall,
                reason: reason, into: &text)
            ServerMessage.addSpread(milliseconds: spreadMilliseconds, to: &text)
            FrameEncoder.write(text, opcode: .text, into: &frame)
        }
    }

    /// The flush of this turn is over: its notifications are with the kernel, except for those of
    /// fan-outs that go on.
    package mutating func observeFlush(wall: Timestamp) {
        for timestamp in announced {
            let microseconds = UInt64(clamping: wall.microseconds - timestamp.microseconds)
            // Whoever can NOTIFY can name any time: that of centuries ago is counted as very long.
            let (nanoseconds, isTooLong) = microseconds.multipliedReportingOverflow(by: 1_000)
            metrics.commitToSocket.observe(nanoseconds: isTooLong ? .max : nanoseconds)
        }
    }

    // MARK: Memory

    /// Keeps the memory of segments within its bound: clients for which something waits are
    /// collapsed, whoever they are, since what they pin can't be told from outside.
    mutating func limitSegmentMemory() {
        guard segments.liveBytes > Limits.segmentPoolBytesMax else { return }
        for raw in 0..<UInt32(clients.highWaterMark) {
            guard clients.isOccupied(raw), clients[raw].takesMessages,
                !clients[raw].queue.isEmpty
            else { continue }
            collapse(raw)
        }
    }
}
