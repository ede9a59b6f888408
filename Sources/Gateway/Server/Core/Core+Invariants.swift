internal import Reactor

extension Core {
    /// Whether something is left to do that no event will tell of.
    package var hasWorkLeft: Bool {
        !dirty.isEmpty || !gone.isEmpty || !interestChanged.isEmpty || resyncCursor != nil
            || hub.activeRoomCount > 0 || !resumed.isEmpty || desk.hasAnswers || !closings.isEmpty
    }

    /// What must hold between turns; checked in debug builds.
    package func checkInvariants() {
        assert(interestChanged.isEmpty)
        assert(clients.count <= clients.capacity)
        assert(holdsInvariants())
    }

    /// Looks at every client, so it is for small numbers of them.
    private func holdsInvariants() -> Bool {
        guard clients.highWaterMark <= 64 else { return true }
        for index in 0..<UInt32(clients.highWaterMark) where clients.isOccupied(index) {
            let client = clients[index]
            if client.phase == .gone {
                precondition(client.queue.isEmpty)
                precondition(!timers.isScheduled(index))
                precondition(hub.projectCount(of: index) == 0)
                continue
            }
            precondition(timers.isScheduled(index))
            precondition(
                !client.flags.contains(.awaitsMembership)
                    || client.phase == .request || client.phase == .open)
            // What waits is sent in the next turn or when epoll says so: nothing is forgotten.
            precondition(
                client.queue.isEmpty || !client.flags.isDisjoint(with: [.dirty, .blocked]))
            precondition(client.phase == .open || hub.projectCount(of: index) == 0)
        }
        return true
    }
}
