internal import Reactor

// Who of the workers has the sessions with the database. The parent names one, and gives it and each other worker
// the two ends of a link; what goes over that it doesn't see.
extension Supervisor {
    /// Returns the worker's end of the socket by which it hears who leads; `nil` where each has its own sessions.
    mutating func openControl(of index: Int) throws(Errno) -> OwnedDescriptor? {
        guard configuration.databaseSessions == .host else { return nil }
        let pair = try PacketSocketPair()
        let handle = Handle(kind: Kind.control.rawValue, index: UInt32(index), generation: 0)
        try poller.add(pair.kept.raw, handle: handle, interest: .read)
        workers[index].control = pair.kept.relinquish()
        return pair.given
    }

    /// The worker's process is over.
    mutating func closeControl(of index: Int) {
        guard let descriptor = workers[index].control else { return }
        ClientSocket.close(descriptor)
        workers[index].control = nil
        guard leader == index else { return }
        leader = nil
        nameLeader(after: index, because: "the one before has ended")
    }

    /// The worker's process was started.
    mutating func placeWorker(_ index: Int) {
        guard workers[index].control != nil else { return }
        if leader == nil {
            nameLeader(index, because: "the first")
        } else {
            link(index)
        }
    }

    // MARK: Naming

    /// Names another worker: one that answers, if there is one, and that hasn't led for longest.
    private mutating func nameLeader(after former: Int, because reason: String) {
        let others = (1..<workers.count).map { (former + $0) % workers.count }
            .filter { workers[$0].control != nil }
        guard let next = others.first(where: { workers[$0].lifecycle.isRunning }) ?? others.first
        else { return }
        takeovers &+= 1
        nameLeader(next, because: reason)
    }

    private mutating func nameLeader(_ index: Int, because reason: String) {
        leader = index
        leaderGeneration &+= 1
        log.leaderNamed(worker: index + 1, because: reason)
        // A worker that can't be told has ended, of which epoll tells, or hangs, of which the others tell.
        _ = tell(index, .lead)
        for other in workers.indices where other != index && workers[other].control != nil {
            link(other)
        }
    }

    /// Makes a link between the leader and another worker. Without one that worker says so again, or has its own
    /// sessions meanwhile.
    private mutating func link(_ index: Int) {
        guard let leader, leader != index else { return }
        do throws(Errno) {
            let pair = try StreamSocketPair()
            // The leader's descriptors are closed before its end is told of.
            guard tell(leader, .follower, pair.first.raw) else { return }
            _ = tell(index, .follow, pair.second.raw)
        } catch {
            log.failed("a link between workers", error: error.description)
        }
    }

    private func tell(
        _ index: Int, _ kind: SessionControl.Kind, _ descriptor: Int32? = nil
    ) -> Bool {
        guard let control = workers[index].control else { return false }
        return DescriptorPacket.send(
            SessionControl(kind, leaderGeneration).bytes, with: descriptor, to: control)
    }

    // MARK: What workers say

    mutating func receiveControl(of index: Int) {
        while let descriptor = workers[index].control {
            switch DescriptorPacket.receive(from: descriptor) {
            case .wouldBlock: return
            case .over:
                closeControl(of: index)
                return
            case .packet(let packet):
                guard let control = SessionControl(packet.bytes) else { continue }
                receive(control, of: index)
            }
        }
    }

    private mutating func receive(_ control: SessionControl, of index: Int) {
        guard control.generation == leaderGeneration, let leader, leader != index else { return }
        switch control.kind {
        case .lead, .follow, .follower: break
        case .linkHasEnded: link(index)
        case .leaderIsSilent: nameLeader(after: leader, because: "the one before is silent")
        }
    }
}
