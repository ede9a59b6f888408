package import Reactor

/// All connections: their records, the deadlines they have, the bytes of them that wait inside, and
/// the lists of those whose descriptors need the loop's attention.
///
/// It knows neither projects nor what is sent; what a deadline means for a client is returned, and
/// done by the core.
package struct Clients: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    private var table: Slab<Client>
    package var timers: TimerWheel
    let times: ClientTimes
    private var jitter: Jitter

    /// What was received and can't be acted on yet.
    package var inbox: Inbox

    /// Clients whose interest may differ from what is registered.
    private var interestChanges = IndexList()
    /// Clients that are to be heard and of which no event tells, by their share of a turn.
    var waitingStrangers = IndexQueue()
    var waitingMembers = IndexQueue()
    /// Clients that are over, in the order in which they are freed.
    private var closed = IndexList()
    /// Connections that are no WebSockets, by how long they have had their chance.
    package var arrivals: Arrivals
    /// Slots of connections of the admin listener. Like every slot they count until they are freed, as
    /// do their descriptors.
    package private(set) var operatorCount = 0
    /// Slots below this one may have memory that is resident.
    private var slotsTouched = 0

    /// - Parameter slots: clients that there can be, those that are only refused among them.
    package init(slots: Int, _ times: ClientTimes, decompresses: Bool, seed: UInt64, now: Instant) {
        table = Slab(capacity: slots)
        timers = TimerWheel(capacity: slots, now: TimerWheel.tick(now))
        self.times = times
        jitter = Jitter(seed: seed)
        inbox = Inbox(decompresses: decompresses, slots: slots)
        arrivals = Arrivals(capacity: slots)
    }

    // MARK: The table

    // Hot path.
    package subscript(index: ClientIndex) -> Client {
        unsafeAddress { unsafe UnsafePointer(table.address(of: index)) }
        unsafeMutableAddress { unsafe table.address(of: index) }
    }

    package var count: Int { table.count }
    /// Slots of connections of the public listener.
    package var publicCount: Int { table.count - operatorCount }
    var capacity: Int { table.capacity }
    /// Every client's index lies below this one.
    package var highWaterMark: Int { table.highWaterMark }

    package func isOccupied(_ index: ClientIndex) -> Bool { table.isOccupied(index) }

    /// The client that the handle was made for; `nil` when it is freed, which is normal.
    package func index(of handle: Handle) -> ClientIndex? { table.index(of: handle) }

    /// The name of the client that nobody takes for another's, however late it is used.
    package func handle(of index: ClientIndex) -> Handle { table.handle(of: index, kind: 0) }

    /// The connection as logs name it.
    func number(of index: ClientIndex) -> UInt64 { handle(of: index).raw }

    /// Takes in a connection. `nil` when all places are taken.
    package mutating func insert(
        descriptor: Int32, peer: NetworkAddress, flags: ClientFlags, _ clock: TurnClock
    ) -> ClientIndex? {
        let client = Client(
            descriptor: descriptor, peer: peer, flags: flags, nowTick: clock.tick,
            deadlineTick: clock.tick(afterNanoseconds: times.handshakeNanoseconds))
        guard let index = table.insert(client) else { return nil }
        if flags.contains(.admin) { operatorCount += 1 }
        return index
    }

    /// Takes back a connection that was inserted in this call and may not stay.
    package mutating func withdraw(_ index: ClientIndex) {
        arrivals.remove(index)
        remove(index)
    }

    private mutating func remove(_ index: ClientIndex) {
        if table[index].flags.contains(.admin) { operatorCount -= 1 }
        table.remove(index)
    }

    // MARK: Interest

    /// Lists the client among those whose interest is compared with what is registered.
    package mutating func noteInterest(of index: ClientIndex) {
        guard !table[index].flags.contains(.interestListed) else { return }
        table[index].flags.insert(.interestListed)
        interestChanges.append(index)
    }

    /// The next client whose interest may have changed, taken out of the list.
    package mutating func dequeueInterestChange() -> ClientIndex? {
        guard let index = interestChanges.removeLast() else { return nil }
        table[index].flags.remove(.interestListed)
        return index
    }

    // MARK: Pauses

    /// Ends a reason for which nothing is read of the client. When it was the last one, what the
    /// client sent meanwhile is read.
    package mutating func endPause(of index: ClientIndex, _ reason: ClientFlags, _ clock: TurnClock)
    {
        table[index].flags.remove(reason)
        guard !table[index].isPaused else { return }
        if table[index].leftover != .none { awaitTurn(index, hasUnread: true) }
        noteInterest(of: index)
        scheduleVisit(of: index, clock)
    }

    // MARK: Ends

    /// The connection is over. Its slot stays until the end of a turn, so that nothing of this turn
    /// can be taken for another client's, and until it has left the list of those that have something to
    /// send: then `leaveDirty` is called.
    package mutating func close(_ index: ClientIndex) {
        precondition(table[index].phase == .closed)
        inbox.release(&table[index].message)
        inbox.release(&table[index].leftover)
        inbox.forgetHistory(of: index)
        timers.cancel(index)
        arrivals.remove(index)
        if !table[index].queue.marks.contains(.dirty) { closed.append(index) }
    }

    /// The client has left the list of those that have something to send.
    package mutating func leaveDirty(_ index: ClientIndex) {
        table[index].queue.marks.remove(.dirty)
        if table[index].phase == .closed { closed.append(index) }
    }

    /// Connections that are over and not freed yet.
    package var closedCount: Int { closed.count }
    package var hasInterestChanges: Bool { !interestChanges.isEmpty }

    /// The connection that is freed next; `nil` when there is none.
    package var nextToFree: ClientIndex? {
        closed.isEmpty ? nil : closed[closed.count - 1]
    }

    /// Frees the slot of `nextToFree` and returns its descriptor, for the caller to close.
    package mutating func freeNext() -> Int32? {
        guard let index = closed.removeLast() else { return nil }
        precondition(!table[index].queue.marks.contains(.dirty))
        let descriptor = table[index].descriptor
        remove(index)
        slotsTouched = max(slotsTouched, Int(index) + 1)
        return descriptor
    }

    /// After a crowd has left, the memory of the slots behind the last client goes back to the kernel.
    ///
    /// Returns the first slot of which nothing is kept any more; `nil` when nothing was given back.
    package mutating func returnMemory() -> Int? {
        let inUse = table.highWaterMark
        guard closed.isEmpty, slotsTouched >= Limits.memoryReturnSlotsMin, inUse < slotsTouched / 2
        else { return nil }
        slotsTouched = inUse
        table.returnMemory()
        timers.returnMemory(from: inUse)
        arrivals.returnMemory(from: inUse)
        inbox.returnMemory(from: inUse)
        return inUse
    }

    // MARK: Bytes that wait inside

    /// Keeps what lies behind `position`. Returns `false` when there is no room for it.
    package mutating func keepLeftover(
        _ bytes: borrowing Span<UInt8>, from position: Int, of index: ClientIndex
    ) -> Bool {
        guard position < bytes.count, table[index].phase != .closed else { return true }
        return inbox.keep(
            bytes.extracting(position..<bytes.count), in: &table[index].leftover)
    }

    /// The client's leftover was read, or is of no interest any more.
    package mutating func releaseLeftover(of index: ClientIndex) {
        inbox.release(&table[index].leftover)
    }

    /// Puts the next piece of a fragmented message behind those before it. Returns `false` when there
    /// is no room for it.
    package mutating func assemble(_ piece: borrowing Span<UInt8>, from index: ClientIndex) -> Bool
    {
        inbox.append(piece, to: &table[index].message)
    }

    /// Removes the client's message from the record; the reference becomes the caller's.
    package mutating func removeMessage(of index: ClientIndex) -> SegmentIndex {
        let message = table[index].message
        table[index].message = .none
        return message
    }

    /// Keeps an answer that is ready, until the client may get it. Returns `false` without room.
    package mutating func keepAnswer(_ bytes: borrowing Span<UInt8>, for index: ClientIndex) -> Bool
    {
        inbox.keep(bytes, in: &table[index].message)
    }

    // MARK: Chance

    /// When a new WebSocket is pinged first: at a random moment, so that those who came together in a
    /// storm aren't pinged together for ever.
    package mutating func scheduleFirstPing(of index: ClientIndex, _ clock: TurnClock) {
        let interval = times.pingNanoseconds
        let phase = interval / 2 + jitter.next() % max(interval / 2, 1)
        table[index].pingTick = clock.tick(afterNanoseconds: phase)
    }
}
