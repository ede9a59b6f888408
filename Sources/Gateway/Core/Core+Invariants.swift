internal import Reactor

extension Core {
    /// Whether something is left to do that no event will tell of.
    package var hasWorkLeft: Bool {
        !dirty.isEmpty || !gone.isEmpty || !interestChanged.isEmpty || resyncCursor != nil
            || hub.activeRoomCount > 0 || !resumed.isEmpty || desk.hasAnswers || !closings.isEmpty
    }

    /// What must hold between turns; checked in debug builds.
    package func checkInvariants() {
        assert(clients.highWaterMark > 64 || brokenInvariant() == nil)
    }

    /// What should hold between turns and doesn't. Looks at every client, so it is for small numbers
    /// of them.
    package func brokenInvariant() -> StaticString? {
        guard interestChanged.isEmpty else { return "changed interests are left" }
        guard clients.count <= clients.capacity else { return "more clients than places" }
        for index in 0..<UInt32(clients.highWaterMark) where clients.isOccupied(index) {
            if let broken = brokenInvariant(of: index) { return broken }
        }
        return nil
    }

    private func brokenInvariant(of index: ClientIndex) -> StaticString? {
        let client = clients[index]
        if client.phase == .gone {
            let isLeft =
                !client.queue.isEmpty || timers.isScheduled(index)
                || hub.projectCount(of: index) > 0
            return isLeft ? "something is left of a client that is over" : nil
        }
        if !timers.isScheduled(index) { return "a client without a timer" }
        if client.flags.contains(.awaitsMembership), client.phase != .request,
            client.phase != .open
        {
            return "a client waits for an answer that it can't use"
        }
        // What waits is sent in the next turn or when epoll says so: nothing is forgotten.
        if !client.queue.isEmpty, client.flags.isDisjoint(with: [.dirty, .blocked]) {
            return "a queue that nobody will send"
        }
        if client.phase != .open, hub.projectCount(of: index) > 0 {
            return "a client that isn't open is in a project"
        }
        // Over its bounds a queue collapses, or its client is closed: with one frame.
        if client.queue.frameCount > Limits.queueFramesMax + 1
            || client.queue.byteCount > Limits.queueBytesMax + Limits.gatheredBytes
        {
            return "a queue over its bounds"
        }
        return nil
    }

    /// How much is left of what there is because of clients, for when there are none.
    package func remains() -> [(what: StaticString, count: Int)] {
        [
            ("clients", clients.count), ("timers", timers.count), ("queue nodes", nodes.liveCount),
            // The keepalive, which is shared by all, stays.
            ("segments", segments.liveCount - 1), ("subscriptions", hub.subscriptionCount),
            ("projects", hub.projectCount), ("active rooms", hub.activeRoomCount),
            ("connections", Int(metrics.connections)), ("held bytes", heldBytes),
            ("addresses counted", admission.addressCount),
            ("users counted", admission.userCount),
            ("unauthenticated", admission.unauthenticatedCount),
            ("questions of clients", desk.clientCount),
            ("questions of the hub", desk.verificationCount),
            ("users to verify", verifications.users.count),
            ("projects to verify", verifications.rooms.count), ("closings", closings.count),
            ("resumes that wait", reads.waiterCount),
            ("audiences to read for", reads.audienceCount),
        ]
    }
}
