import Gateway
import Reactor
import Testing

/// The hub beside a model of sets and dictionaries: each step is made in both, and what they say is
/// compared. Frames are event numbers of four bytes.
struct HubModel: ~Copyable {
    static let clientCount: ClientIndex = 24

    private struct ProjectModel {
        var members: Set<ClientIndex> = []
        var ordered: Set<ClientIndex> = []
        var withheld: Set<ClientIndex> = []
        var open: [UInt32]?
        var fanOut: [UInt32]?
        /// Members to whom the fan-out has still to come.
        var awaiting: Set<ClientIndex> = []

        /// Those who get events.
        var all: Set<ClientIndex> { members.union(ordered) }
        var subscribed: Set<ClientIndex> { all.union(withheld) }
        var isActive: Bool { open != nil || fanOut != nil }
    }

    private var hub = Hub(clientCapacity: Int(clientCount), projectsPerClientMax: 5)
    private var pool = SegmentPool()
    private var projects: [ProjectID: ProjectModel] = [:]
    private var stale: [ClientIndex: Set<ProjectID>] = [:]
    private var frame = ByteBuffer()
    private var nextEvent: UInt32 = 0
    private var random: WebSocketTesting.Random

    init(seed: UInt64, projectCount: Int) {
        random = WebSocketTesting.Random(seed: seed)
        for number in 0..<projectCount {
            projects[ProjectID(high: 7, low: UInt64(number))] = ProjectModel()
        }
    }

    // MARK: Steps

    mutating func step() {
        let client = ClientIndex.random(in: 0..<Self.clientCount, using: &random)
        let project = chooseProject()
        switch Int.random(in: 0..<23, using: &random) {
        case 0..<6: join(client, project)
        case 6..<8: leave(client, project)
        case 8: leaveAll(client, except: nil)
        case 9: leaveAll(client, except: project)
        case 10..<15: announce(in: project)
        case 15: resync(project)
        case 16: markStale(client, project)
        case 17: takeStale(client)
        case 18, 19: withhold(client, project)
        case 20: readmit(client, project)
        default: turn()
        }
        compare()
    }

    /// Delivers what is left, lets everybody go, and looks for what is left over.
    mutating func finish() {
        while hub.activeRoomCount > 0 { turn() }
        for client in 0..<Self.clientCount { leaveAll(client, except: nil) }
        compare()
        let counts = [hub.projectCount, hub.subscriptionCount, pool.liveCount, pool.liveBytes]
        #expect(counts == [0, 0, 0, 0])
        let liveRooms = (0..<hub.roomIndexEnd).filter { hub.liveRoom($0) != nil }
        #expect(liveRooms.isEmpty)
    }

    private mutating func chooseProject() -> ProjectID {
        let number = Int.random(in: 0..<projects.count, using: &random)
        return ProjectID(high: 7, low: UInt64(number))
    }

    private func projects(of client: ClientIndex) -> Set<ProjectID> {
        Set(projects.filter { $0.value.subscribed.contains(client) }.keys)
    }

    private mutating func join(_ client: ClientIndex, _ project: ProjectID) {
        let before = projects(of: client)
        if !before.contains(project) { makeOrdered(client) }
        let outcome = hub.join(client, project)
        if before.contains(project) {
            #expect(outcome == .already)
        } else if before.count == 5 {
            #expect(outcome == .limitReached)
        } else {
            #expect(outcome == .joined)
            place(client, project, isAlone: before.isEmpty)
        }
    }

    private mutating func place(_ client: ClientIndex, _ project: ProjectID, isAlone: Bool) {
        if isAlone {
            projects[project]?.members.insert(client)
        } else {
            projects[project]?.ordered.insert(client)
        }
    }

    private mutating func withhold(_ client: ClientIndex, _ project: ProjectID) {
        guard let room = hub.room(of: project) else { return }
        let isWithheld = hub.suspend(client, in: room)
        #expect(isWithheld == projects[project]?.all.contains(client))
        guard isWithheld else { return }
        projects[project]?.members.remove(client)
        projects[project]?.ordered.remove(client)
        projects[project]?.awaiting.remove(client)
        projects[project]?.withheld.insert(client)
    }

    private mutating func readmit(_ client: ClientIndex, _ project: ProjectID) {
        guard let room = hub.room(of: project) else { return }
        hub.readmit(client, in: room)
        guard projects[project]?.withheld.remove(client) != nil else { return }
        place(client, project, isAlone: projects(of: client) == [])
    }

    private mutating func makeOrdered(_ client: ClientIndex) {
        let pending = hub.makeOrdered(client)
        guard let project = projects.first(where: { $0.value.members.contains(client) })?.key,
            var entry = projects[project]
        else {
            #expect(pending == nil)
            return
        }
        guard let pending else {
            Issue.record("\(client) is a member of the fan-out and wasn't made an ordered one")
            return
        }
        let room = hub.room(of: project)
        #expect(pending.room == room)
        let isAwaiting = entry.awaiting.remove(client) != nil
        #expect(events(in: pending.fanOut) == (isAwaiting ? entry.fanOut : nil))
        #expect(events(in: pending.open) == entry.open)
        entry.members.remove(client)
        entry.ordered.insert(client)
        projects[project] = entry
    }

    private mutating func leave(_ client: ClientIndex, _ project: ProjectID) {
        let left = hub.leave(client, project)
        #expect(left == projects(of: client).contains(project))
        forget(client, project)
    }

    private mutating func leaveAll(_ client: ClientIndex, except kept: ProjectID?) {
        if let kept {
            hub.leaveAll(client, except: kept)
        } else {
            hub.leaveAll(client)
        }
        for project in projects(of: client) where project != kept { forget(client, project) }
    }

    private mutating func forget(_ client: ClientIndex, _ project: ProjectID) {
        projects[project]?.members.remove(client)
        projects[project]?.ordered.remove(client)
        projects[project]?.withheld.remove(client)
        projects[project]?.awaiting.remove(client)
        stale[client]?.remove(project)
    }

    private mutating func announce(in project: ProjectID) {
        guard let room = hub.room(of: project) else { return }
        writeFrame()
        let fits = hub.append(frame, to: room, in: &pool, framesMax: 6, bytesMax: 1_000)
        #expect(fits == ((projects[project]?.open ?? []).count < 6))
        guard fits else { return }
        let before = projects[project]?.open ?? []
        projects[project]?.open = before + [nextEvent]
    }

    private mutating func resync(_ project: ProjectID) {
        guard let room = hub.room(of: project) else { return }
        writeFrame()
        hub.replaceWithResync(frame, frameCount: 1, in: room, pool: &pool)
        let isPending = hub.isResyncPending(in: room)
        #expect(isPending)
        projects[project]?.open = [nextEvent]
    }

    private mutating func writeFrame() {
        nextEvent += 1
        frame.removeAll()
        for shift in [24, 16, 8, 0] as [UInt32] {
            frame.append(UInt8(truncatingIfNeeded: nextEvent >> shift))
        }
    }

    private mutating func markStale(_ client: ClientIndex, _ project: ProjectID) {
        if Bool.random(using: &random) {
            hub.markAllStale(client)
            stale[client] = projects(of: client)
        } else if let room = hub.room(of: project) {
            hub.markStale(client, in: room)
            guard projects(of: client).contains(project) else { return }
            stale[client, default: []].insert(project)
        }
    }

    private mutating func takeStale(_ client: ClientIndex) {
        var taken: [ProjectID] = []
        while let project = hub.dequeueStaleProject(of: client), taken.count < 10 {
            taken.append(project)
        }
        let kept = (stale[client] ?? []).filter {
            projects[$0]?.withheld.contains(client) == true
        }
        #expect(Set(taken) == (stale[client] ?? []).subtracting(kept))
        #expect(taken.count == Set(taken).count)
        stale[client] = kept
    }

    // MARK: The fan-out

    /// Serves the rooms as the server does, in shares; now and then somebody leaves in the middle.
    private mutating func turn() {
        let rooms = hub.activeRoomCount
        #expect(rooms >= projects.values.filter(\.isActive).count)
        var budget = Int.random(in: 1...20, using: &random)
        var served = 0
        while served < rooms, budget > 0 {
            let room = hub.activeRoom(at: served)
            budget -= max(1, deliver(in: room, atMost: min(6, budget)))
            served += 1
        }
        hub.rotateActiveRooms(served: served)
        let active = (0..<hub.activeRoomCount).map { hub.project(of: hub.activeRoom(at: $0)) }
        #expect(Set(active) == Set(projects.filter(\.value.isActive).keys))
        #expect(active.count == Set(active).count)
        let count = hub.projectCount
        #expect(
            count == projects.values.filter { !$0.subscribed.isEmpty || $0.isActive }.count)
    }

    private mutating func deliver(in room: RoomIndex, atMost share: Int) -> Int {
        let project = hub.project(of: room)
        guard let segment = hub.fanOut(of: room) else {
            #expect(projects[project]?.isActive == false)
            return 0
        }
        if var entry = projects[project], entry.fanOut == nil {
            entry.fanOut = entry.open
            entry.open = nil
            entry.awaiting = entry.members
            projects[project] = entry
        }
        #expect(events(in: segment) == projects[project]?.fanOut)
        var served = 0
        while served < share {
            switch hub.nextRecipient(in: room) {
            case .member(let member):
                served += 1
                let wasAwaiting = projects[project]?.awaiting.remove(member.client) != nil
                #expect(wasAwaiting)
                if Int.random(in: 0..<8, using: &random) == 0 {
                    leaveAll(.random(in: 0..<Self.clientCount, using: &random), except: nil)
                }
            case .finished(let finished):
                #expect(finished == segment)
                #expect(projects[project]?.awaiting.isEmpty == true)
                projects[project]?.fanOut = nil
                pool.release(finished)
                return served
            }
        }
        return served
    }

    // MARK: Comparing

    private func events(in segment: SegmentIndex) -> [UInt32]? {
        guard segment != .none else { return nil }
        let bytes = pool.bytes(of: segment)
        return stride(from: 0, to: bytes.count, by: 4).map { start in
            (start..<start + 4).reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
        }
    }

    private func compare() {
        for (project, entry) in projects {
            guard let room = hub.room(of: project) else {
                #expect(entry.subscribed.isEmpty && !entry.isActive)
                continue
            }
            let count = hub.memberCount(of: room)
            let clients = (0..<count).map { hub.client(at: $0, in: room) }
            #expect(Set(clients) == entry.all && clients.count == entry.all.count)
            let kinds = [hub.fanOutMemberCount(of: room), hub.orderedMemberCount(of: room)]
            #expect(kinds == [entry.members.count, entry.ordered.count])
            let ordered = (0..<kinds[1]).map { hub.orderedClient(at: $0, in: room) }
            #expect(Set(ordered) == entry.ordered)
            let suspendedCount = hub.suspendedCount(of: room)
            let withheld = (0..<suspendedCount).map { hub.suspendedClient(at: $0, in: room) }
            #expect(Set(withheld) == entry.withheld && suspendedCount == entry.withheld.count)
        }
        for client in 0..<Self.clientCount {
            let expected = projects(of: client)
            let count = hub.projectCount(of: client)
            let first = hub.firstProject(of: client)
            #expect(count == expected.count)
            #expect(first.map(expected.contains) ?? expected.isEmpty)
        }
        let subscriptions = hub.subscriptionCount
        #expect(subscriptions == projects.values.reduce(0) { $0 + $1.subscribed.count })
    }
}
