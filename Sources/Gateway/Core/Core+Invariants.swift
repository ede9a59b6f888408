internal import Reactor

// What must hold between turns.
extension Core {
    /// Checked in debug builds.
    package func checkInvariants() {
        assert(clients.highWaterMark > 64 || brokenInvariant() == nil)
    }

    /// What should hold between turns and doesn't. Looks at every client, so it is for small numbers
    /// of them.
    package func brokenInvariant() -> StaticString? {
        guard !clients.hasInterestChanges else { return "changed interests are left" }
        guard clients.count <= clients.capacity else { return "more clients than places" }
        for index in 0..<ClientIndex(clients.highWaterMark) where clients.isOccupied(index) {
            if let broken = brokenInvariant(of: index) { return broken }
        }
        return nil
    }

    private func brokenInvariant(of index: ClientIndex) -> StaticString? {
        let client = clients[index]
        if client.phase == .closed {
            let isLeft =
                !client.queue.isEmpty || clients.timers.isScheduled(index)
                || hub.projectCount(of: index) > 0
            return isLeft ? "something is left of a client that is over" : nil
        }
        if !clients.timers.isScheduled(index) { return "a client without a timer" }
        if client.flags.contains(.awaitsMembership), client.phase != .request,
            client.phase != .open
        {
            return "a client waits for an answer that it can't use"
        }
        if client.flags.contains(.awaitsAnswer), client.phase == .request, client.queue.isEmpty,
            client.queue.marks.isDisjoint(with: [.dirty, .blocked])
        {
            return "a client waits for an answer that was sent"
        }
        // What waits is sent in the next turn or when epoll says so: nothing is forgotten.
        if !client.queue.isEmpty, client.queue.marks.isDisjoint(with: [.dirty, .blocked]) {
            return "a queue that nobody will send"
        }
        if client.phase != .open, hub.projectCount(of: index) > 0 {
            return "a client that isn't open is in a project"
        }
        // Over its bounds a queue collapses, or its client is closed: with one frame.
        if client.queue.pieces.frameCount > Limits.queueFramesMax + 1
            || client.queue.pieces.byteCount > Limits.queueBytesMax + Limits.gatheredBytes
        {
            return "a queue over its bounds"
        }
        return nil
    }

    /// How much is left of what there is because of clients, for when there are none.
    package func remains() -> [(what: StaticString, count: Int)] {
        [
            ("clients", clients.count), ("timers", clients.timers.count),
            ("queue nodes", outbox.nodes.liveCount),
            // The keepalive, which is shared by all, stays.
            ("segments to send", outbox.segments.liveCount - 1),
            ("segments received", clients.inbox.segmentCount),
            ("subscriptions", hub.subscriptionCount), ("projects", hub.projectCount),
            ("active rooms", hub.activeRoomCount), ("connections", Int(metrics.connections)),
            ("addresses counted", admission.addressCount),
            ("users counted", admission.userCount),
            ("unauthenticated", admission.unauthenticatedCount),
            ("questions of clients", membership.checks.clientCount),
            ("questions of the hub", membership.checks.verificationCount),
            ("users to verify", membership.verifications.users.count),
            ("projects to verify", membership.verifications.rooms.count),
            ("resumes that wait", history.reads.waiterCount),
            ("users present", presence.userCount), ("projects present", presence.projectCount),
            ("topics typed in", typing.topicCount), ("readers of inboxes", direct.readers.count),
            ("audiences to read for", history.reads.audienceCount),
        ]
    }

    /// Users present at other processes, and those of whom they were told, for when there are none.
    package var peopleOfBus: (elsewhere: Int, own: Int) {
        switch bus {
        case .some(let bus): (bus.people.elsewhereCount, bus.people.ownCount)
        case .none: (0, 0)
        }
    }
}
