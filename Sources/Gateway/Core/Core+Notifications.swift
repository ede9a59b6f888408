internal import Reactor

// From what the database announces to the segments of the projects, and to the resyncs that stand in
// for what can't be listed.
extension Core {
    // Hot path, once for each notification.
    /// Reads the payload of a notification on `cache_invalidate`: encodes it once and appends it to the
    /// segment of its project. A payload that can't be understood is counted, logged and skipped; a
    /// plain one of a project in which nobody is interested costs a look at it.
    package mutating func notify(_ payload: borrowing Span<UInt8>) {
        metrics.notificationsReceived += 1
        log.notificationReceived(payload: payload, at: clock.now)
        let outline = PayloadOutline(payload)
        if let outline, !isOfInterest(outline.project), !mayRemovePeople(outline, payload) {
            metrics.notificationsWithoutAudience += 1
            return
        }
        var message = outbox.message()
        do throws(NotificationError) {
            let facts = try Notification.encode(
                payload: payload, outline: outline, heard: history.cursor, into: &message.text)
            if settings.checksMembership, facts.effect != .none { revoke(facts) }
            announce(facts, &message)
        } catch {
            metrics.notificationsInvalid += 1
            log.badNotification(detail: "\(error.description)", payload: payload, at: clock.now)
        }
        outbox.discard(message)
    }

    mutating func notify(_ payload: borrowing ByteBuffer) { notify(payload.bytes) }

    /// Whether anybody looks at the project, or is about to.
    private func isOfInterest(_ project: ProjectID) -> Bool {
        hub.room(of: project) != nil || !history.reads.isEmpty && history.reads.concerns(project)
            || settings.checksMembership && membership.checks.awaitsAnswer(about: project)
    }

    /// Whether it may be of a removal, which has to be known before others say who is present: somebody may look at the
    /// project a moment later.
    private func mayRemovePeople(
        _ outline: PayloadOutline, _ payload: borrowing Span<UInt8>
    ) -> Bool {
        switch bus {
        case .some: payload.extracting(outline[.resource]).isEqual(to: "project_members")
        case .none: false
        }
    }

    // Hot path.
    /// Puts an event, whose text is written, where those who are to hear of it get it from.
    private mutating func announce(_ facts: NotificationFacts, _ message: inout OutgoingMessage) {
        let room = hub.room(of: facts.project)
        guard room != nil || history.reads.concerns(facts.project) else {
            metrics.notificationsWithoutAudience += 1
            return
        }
        let audience = room.map { hub.memberCount(of: $0) } ?? 0
        Notification.addSpread(
            milliseconds: settings.pacing.spreadMilliseconds(audience: audience),
            to: &message.text)
        message.endFrame()
        if !history.reads.isEmpty { history.reads.keep(message.bytes, of: facts.project) }
        guard let room else { return }
        guard hub.suspension(of: room) == .none else {
            metrics.notificationsWithheld += 1
            return
        }
        if let timestamp = facts.timestamp { outbox.noteAnnounced(timestamp) }
        log.broadcast(project: facts.project, clients: audience, at: clock.now)
        broadcast(message, to: room)
        if settings.checksMembership, facts.effect == .projectDeleted {
            verifyEnd(of: facts.project)
        }
    }

    // Hot path.
    /// Appends a frame to the room's segment of this turn.
    private mutating func broadcast(_ message: borrowing OutgoingMessage, to room: RoomIndex) {
        appendOrdered(message, to: room)
        // A resync that is still to be delivered says it too.
        if hub.fanOutMemberCount(of: room) == 0 || hub.isResyncPending(in: room) { return }
        let fits = hub.append(
            message.bytes, to: room, in: &outbox.segments, framesMax: Limits.segmentFramesMax,
            bytesMax: Limits.segmentBytesMax)
        if !fits { replaceWithResync(room, .tooManyChanges) }
    }

    /// Appends frames for those members of the room who get events one by one.
    private mutating func appendOrdered(
        _ message: borrowing OutgoingMessage, to room: RoomIndex
    ) {
        let count = hub.orderedMemberCount(of: room)
        guard count > 0 else { return }
        outbox.ordered.append(
            message, of: hub.project(of: room), memberCount: count, in: &outbox.segments)
    }

    // MARK: Resyncs of a project

    /// Goes on with a resync of every project.
    package mutating func continueResync() {
        guard var position = history.resyncPosition else { return }
        var budget = Limits.resyncRoomsPerTurn
        while budget > 0, position < hub.roomIndexEnd, outbox.ordered.mayGrow {
            if let room = hub.liveRoom(position) {
                if let resources = history.resyncResources, !hub.isResyncPending(in: room) {
                    resync(room, of: resources)
                } else {
                    resync(room, .listenerReconnected)
                }
                budget -= 1
            }
            position += 1
        }
        history.resyncPosition = position < hub.roomIndexEnd ? position : nil
    }

    /// Tells the whole audience of a project that it may have missed something.
    mutating func resync(_ room: RoomIndex, _ reason: ResyncReason) {
        let message = resyncMessage(for: room, reason)
        replace(room, with: message)
        appendOrdered(message, to: room)
        outbox.discard(message)
    }

    /// Tells the whole audience of a project that it may have missed something of these resources, behind what it is told
    /// of others.
    private mutating func resync(_ room: RoomIndex, of resources: ResourceList) {
        noteResync(of: room, .listenerReconnected)
        for position in resources.names.indices {
            var message = outbox.message()
            message.writeResync(
                of: resources.names[position], in: hub.project(of: room), .listenerReconnected,
                at: clock.wall,
                spreadMilliseconds: spreadMilliseconds(of: room, .listenerReconnected))
            broadcast(message, to: room)
            outbox.discard(message)
        }
    }

    /// Puts a resync in the place of what the project's segment of this turn holds, since it says
    /// that too.
    private mutating func replaceWithResync(_ room: RoomIndex, _ reason: ResyncReason) {
        let message = resyncMessage(for: room, reason)
        replace(room, with: message)
        outbox.discard(message)
    }

    private mutating func replace(_ room: RoomIndex, with message: borrowing OutgoingMessage) {
        guard hub.fanOutMemberCount(of: room) > 0 else { return }
        hub.replaceWithResync(
            message.bytes, frameCount: message.frameCount, in: room, pool: &outbox.segments)
    }

    private mutating func resyncMessage(
        for room: RoomIndex, _ reason: ResyncReason
    ) -> OutgoingMessage {
        noteResync(of: room, reason)
        return resyncMessage(
            of: hub.project(of: room), reason,
            spreadMilliseconds: spreadMilliseconds(of: room, reason))
    }

    private mutating func noteResync(of room: RoomIndex, _ reason: ResyncReason) {
        metrics.resyncs[reason] += 1
        log.resync(
            project: hub.project(of: room), cause: reason, clients: hub.memberCount(of: room),
            at: clock.now)
    }

    private func spreadMilliseconds(of room: RoomIndex, _ reason: ResyncReason) -> UInt32 {
        // Without its listener the gateway notified nobody, so now it notifies everybody.
        let audience =
            reason == .listenerReconnected
            ? Int(metrics.connections) : hub.memberCount(of: room)
        return settings.pacing.spreadMilliseconds(audience: audience)
    }

    private mutating func resyncMessage(
        of project: ProjectID, _ reason: ResyncReason, spreadMilliseconds: UInt32 = 0
    ) -> OutgoingMessage {
        var message = outbox.message()
        message.writeResync(
            of: database.resources, in: project, reason, at: clock.wall,
            spreadMilliseconds: spreadMilliseconds)
        return message
    }

    // MARK: Resyncs of one client

    /// Tells one client to fetch everything of the project: now, or, if much is queued for it already
    /// or nothing more can be, when its socket has taken that. Hearing of many projects at once
    /// makes nobody slow.
    mutating func queueResync(of project: ProjectID, _ reason: ResyncReason, to index: ClientIndex)
    {
        let queue = clients[index].queue
        let frames = Int(queue.pieces.frameCount) + database.resources.names.count
        guard frames <= Limits.queueFramesMax / 2, queue.marks.isDisjoint(with: [.collapsed])
        else {
            owe(project, to: index)
            return
        }
        metrics.resyncs[reason] += 1
        self.queue(resyncMessage(of: project, reason), to: index)
    }

    /// The client gets a resync of the project, and of all that it was sent and hasn't got, when its
    /// socket takes bytes.
    mutating func owe(_ project: ProjectID, to index: ClientIndex) {
        withholdBroadcasts(from: index)
        if let room = hub.room(of: project) { hub.markStale(index, in: room) }
    }

    /// Notifies a client from which broadcasts were withheld, and which has nothing else to get, of
    /// what it missed: one resync of each project concerned. With many projects the queue would be over
    /// its bounds at once, so they come in parts, each when the one before is with the kernel.
    mutating func sendWithheldResyncs(to index: ClientIndex) {
        while clients[index].queue.pieces.frameCount <= Limits.queueFramesMax / 2 {
            guard let project = hub.dequeueStaleProject(of: index) else {
                clients[index].queue.marks.remove(.collapsed)
                return
            }
            metrics.resyncs[.slowConsumer] += 1
            queue(resyncMessage(of: project, .slowConsumer), to: index)
        }
    }
}
