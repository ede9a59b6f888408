package import Reactor

/// What this node has told the others, and when it tells more.
package struct OwnCounts: Sendable {
    /// Projects as the others know them.
    package private(set) var counts = ProjectCounts()
    private var clients: UInt32 = 0
    /// Frames with counts that were sent.
    package private(set) var number: UInt64 = 0
    private var sentAt: Instant
    /// Projects with clients for which there is no room.
    private var omitted: Set<ProjectID> = []
    /// Somebody new is there, who doesn't know of us.
    package var isGreetingDue = true

    package init(now: Instant) { sentAt = now }

    /// When the next frame is due.
    ///
    /// - Parameters:
    ///   - hasChanges: whether the number of some project's clients may be another.
    ///   - clients: all connections.
    package func due(hasChanges: Bool, clients: UInt64) -> Instant {
        let isDirty = hasChanges || isGreetingDue || UInt32(clamping: clients) != self.clients
        return sentAt.advanced(
            byNanoseconds: isDirty ? Limits.busBatchNanoseconds : Limits.busHeartbeatNanoseconds)
    }

    /// What has to be sent: at least one frame, and more if there are many changes.
    package mutating func publish(
        _ changes: [ProjectCount], clients: UInt64, _ now: Instant
    ) -> [(number: UInt64, frame: CountsFrame)] {
        self.clients = UInt32(clamping: clients)
        sentAt = now
        isGreetingDue = false
        var frames: [(number: UInt64, frame: CountsFrame)] = []
        var told: [ProjectCount] = []
        for change in changes where note(change) {
            told.append(change)
            if told.count == BusFrame.projectsMax {
                frames.append(frame(telling: told))
                told.removeAll()
            }
        }
        // The last one has to say whether there are more projects than were told.
        if !told.isEmpty || frames.last?.frame.omitsProjects != !omitted.isEmpty {
            frames.append(frame(telling: told))
        }
        return frames
    }

    /// Returns whether the others have to know.
    private mutating func note(_ change: ProjectCount) -> Bool {
        guard counts[change.project] != change.clients else {
            omitted.remove(change.project)
            return false
        }
        guard counts.set(change) else {
            omitted.insert(change.project)
            return false
        }
        omitted.remove(change.project)
        return true
    }

    private mutating func frame(
        telling changes: [ProjectCount]
    ) -> (number: UInt64, frame: CountsFrame) {
        number += 1
        var frame = CountsFrame(clients: clients, hash: counts.hash)
        frame.omitsProjects = !omitted.isEmpty
        frame.changes = changes
        return (number, frame)
    }
}
