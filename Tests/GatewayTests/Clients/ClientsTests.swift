import Gateway
import Reactor
import Testing

/// The lists that clients stand in: each of them names a client once, and none that is gone.
@Suite struct ClientsBehaviour {
    private static let clock = TurnClock.at(tick: 1_000)

    private static func clients(slots: Int = 8) -> Clients {
        Clients(slots: slots, ClientTimes(), decompresses: false, seed: 1, now: clock.now)
    }

    private static func insert(
        _ descriptor: Int32 = 7, into clients: inout Clients, _ flags: ClientFlags = []
    ) throws -> ClientIndex {
        let index = clients.insert(descriptor: descriptor, peer: .local, flags: flags, clock)
        return try #require(index)
    }

    private static func keep(
        _ text: String, of index: ClientIndex, in clients: inout Clients
    ) -> Bool {
        clients.keepLeftover(Array(text.utf8).span, from: 0, of: index)
    }

    private static func end(_ index: ClientIndex, in clients: inout Clients) {
        _ = clients[index].handle(.connectionLost)
        clients.close(index)
    }

    private static func nextTurn(_ clients: inout Clients) -> ClientIndex? {
        guard let index = clients.firstWaiting(.strangers) else { return nil }
        clients.endTurn(.strangers)
        return index
    }

    // MARK: Pauses

    @Test func `what a client sent is read when the last reason to pause has ended, and once`()
        throws
    {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients, [.awaitsMembership, .awaitsAnswer])
        let isKept = Self.keep("abc", of: index, in: &clients)
        #expect(isKept)
        clients.endPause(of: index, .awaitsAnswer, Self.clock)
        #expect(!clients.hasWaiting && clients[index].isPaused)
        let hasInterestChanges = clients.hasInterestChanges
        #expect(!hasInterestChanges)
        clients.endPause(of: index, .awaitsMembership, Self.clock)
        #expect(clients.hasWaiting && clients.hasInterestChanges)
        #expect(clients[index].flags.contains(.hasUnread))
        let first = Self.nextTurn(&clients)
        let second = Self.nextTurn(&clients)
        #expect(first == index)
        #expect(second == nil)
        #expect(!clients[index].isPaused)
        let hasWaiting = clients.hasWaiting
        #expect(!hasWaiting)
    }

    @Test func `bytes that were read are not unread, though two pauses have ended`() throws {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients)
        for reason in [ClientFlags.awaitsAnswer, .awaitsMembership] {
            clients[index].flags.insert(reason)
            if clients[index].leftover == .none {
                let isKept = Self.keep("abc", of: index, in: &clients)
                #expect(isKept)
            }
            clients.endPause(of: index, reason, Self.clock)
        }
        let first = Self.nextTurn(&clients)
        #expect(first == index)
        clients.beginReading(index)
        #expect(!clients[index].flags.contains(.hasUnread))
        let second = Self.nextTurn(&clients)
        #expect(second == nil)
        #expect(clients.inbox.segmentCount == 0)
    }

    @Test func `a client that sent nothing meanwhile is only watched again`() throws {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients, .awaitsMembership)
        #expect(clients[index].interest == [])
        clients.endPause(of: index, .awaitsMembership, Self.clock)
        let hasWaiting = clients.hasWaiting
        #expect(!hasWaiting)
        #expect(clients[index].interest == .read)
        let changed = clients.dequeueInterestChange()
        #expect(changed == index)
    }

    // MARK: Turns

    @Test func `who waits is heard in the order in which they came, and not watched meanwhile`()
        throws
    {
        var clients = Self.clients()
        var waiting: [ClientIndex] = []
        for descriptor in 0..<Int32(5) {
            let index = try Self.insert(descriptor, into: &clients)
            clients.awaitTurn(index, hasUnread: false)
            clients.awaitTurn(index, hasUnread: false)
            #expect(clients[index].interest == [])
            waiting.append(index)
        }
        // The first one has more to say, and goes behind the others.
        let first = Self.nextTurn(&clients)
        #expect(first == waiting[0])
        clients.awaitTurn(waiting[0], hasUnread: true)
        var heard: [ClientIndex] = []
        while let index = Self.nextTurn(&clients) {
            #expect(clients[index].interest == .read)
            heard.append(index)
        }
        #expect(heard == Array(waiting.dropFirst()) + [waiting[0]])
    }

    @Test func `members and strangers wait apart`() throws {
        var clients = Self.clients()
        let stranger = try Self.insert(into: &clients)
        let member = try Self.insert(8, into: &clients)
        _ = clients[member].handle(.upgraded)
        _ = clients[member].handle(.authenticated)
        let operatorClient = try Self.insert(9, into: &clients, .admin)
        for index in [stranger, member, operatorClient] {
            clients.awaitTurn(index, hasUnread: false)
        }
        let shares = [stranger, member, operatorClient].map { clients.share(of: $0) }
        #expect(shares == [.strangers, .members, .members])
        let first = clients.firstWaiting(.members)
        #expect(first == member)
        let other = clients.firstWaiting(.strangers)
        #expect(other == stranger)
    }

    @Test func `who waits for its turn is late for no fault of its own`() throws {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients)
        let late = TurnClock.at(tick: 1_000_000)
        clients.awaitTurn(index, hasUnread: false)
        let held = clients.deadline(of: index, heardEveryone: true, late)
        guard case .nothing = held else {
            Issue.record("\(held)")
            return
        }
        clients.endTurn(.strangers)
        let heard = clients.deadline(of: index, heardEveryone: true, late)
        guard case .requestLate = heard else {
            Issue.record("\(heard)")
            return
        }
    }

    private enum Later: CaseIterable {
        case over, freed, another
    }

    @Test(arguments: Later.allCases)
    private func `one that can't be read any more is passed over`(later: Later) throws {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients, .awaitsMembership)
        let isKept = Self.keep("abc", of: index, in: &clients)
        #expect(isKept)
        clients.endPause(of: index, .awaitsMembership, Self.clock)
        while clients.dequeueInterestChange() != nil {}
        Self.end(index, in: &clients)
        if later != .over {
            let descriptor = clients.freeNext()
            #expect(descriptor == 7)
        }
        if later == .another {
            let other = try Self.insert(8, into: &clients)
            #expect(other == index, "the lowest slot that is free")
        }
        let next = Self.nextTurn(&clients)
        #expect(next == nil)
    }

    // MARK: Interest

    @Test func `a client stands once among those whose interest may have changed`() throws {
        var clients = Self.clients()
        let one = try Self.insert(into: &clients)
        let other = try Self.insert(into: &clients)
        for index in [one, other, one, one, other] { clients.noteInterest(of: index) }
        var listed: [ClientIndex] = []
        while let index = clients.dequeueInterestChange() { listed.append(index) }
        #expect(listed.sorted() == [one, other])
        clients.noteInterest(of: one)
        let again = clients.dequeueInterestChange()
        #expect(again == one)
        let hasInterestChanges = clients.hasInterestChanges
        #expect(!hasInterestChanges)
    }

    // MARK: The end

    @Test func `each descriptor is given back once, and with it all that is kept of the client`()
        throws
    {
        var clients = Self.clients()
        var handles: [Handle] = []
        for descriptor in 0..<Int32(8) {
            let index = try Self.insert(descriptor, into: &clients)
            handles.append(clients.handle(of: index))
            clients.scheduleVisit(of: index, Self.clock)
            let isKept = Self.keep("abc", of: index, in: &clients)
            let isAssembled = clients.assemble([1, 2].span, from: index)
            #expect(isKept && isAssembled)
        }
        let ninth = clients.insert(descriptor: 9, peer: .local, flags: [], Self.clock)
        #expect(ninth == nil)
        for index in 0..<ClientIndex(8) { Self.end(index, in: &clients) }
        #expect(clients.closedCount == 8 && clients.count == 8)
        #expect(clients.inbox.segmentCount == 0 && clients.timers.count == 0)
        var descriptors: [Int32] = []
        while let descriptor = clients.freeNext() { descriptors.append(descriptor) }
        #expect(descriptors.sorted() == Array(0..<8))
        #expect(clients.count == 0 && clients.closedCount == 0)
        let found = handles.compactMap { clients.index(of: $0) }
        #expect(found.isEmpty)
    }

    @Test func `what comes of one that is over isn't kept`() throws {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients)
        Self.end(index, in: &clients)
        let isKept = Self.keep("abc", of: index, in: &clients)
        #expect(isKept, "which is no reason to close anybody")
        #expect(clients.inbox.segmentCount == 0)
    }

    @Test func `one that the flush will look at is freed behind the flush`() throws {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients)
        clients[index].queue.marks.insert(.dirty)
        Self.end(index, in: &clients)
        let early = clients.freeNext()
        #expect(clients.nextToFree == nil)
        #expect(early == nil)
        clients.leaveDirty(index)
        let descriptor = clients.freeNext()
        #expect(descriptor == 7)
    }

    @Test func `a place is taken back from one that may not stay`() throws {
        var clients = Self.clients()
        let index = try Self.insert(into: &clients)
        clients.withdraw(index)
        #expect(clients.count == 0 && !clients.isOccupied(index))
    }

    // MARK: Memory

    /// Takes in as many, frees all but the first `stay`, and gives memory back.
    private static func returned(slots: Int, stay: Int) throws -> Int? {
        var clients = clients(slots: slots)
        for _ in 0..<slots { _ = try insert(into: &clients) }
        for index in (stay..<slots).reversed() { end(ClientIndex(index), in: &clients) }
        let early = clients.returnMemory()
        #expect(early == nil, "some are not freed yet")
        while clients.freeNext() != nil {}
        let first = clients.returnMemory()
        let again = clients.returnMemory()
        #expect(again == nil, "nothing has been used since")
        return first
    }

    @Test func `memory goes back when a crowd has left, and not for a handful`() throws {
        let slots = Limits.memoryReturnSlotsMin
        #expect(try Self.returned(slots: slots - 1, stay: 0) == nil)
        #expect(try Self.returned(slots: slots, stay: 0) == 0)
        #expect(try Self.returned(slots: slots, stay: slots / 2 - 1) == slots / 2 - 1)
        #expect(try Self.returned(slots: slots, stay: slots / 2) == nil)
    }
}
