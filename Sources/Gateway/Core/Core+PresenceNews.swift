internal import Reactor

// What clients are told of who is present and who types. Nothing of it waits in a queue for long: who
// is too slow for it gets the whole of what is so then, once there is room.
extension Core {
    /// Tells what is due, up to the turn's share: changes go to the sockets of those for whom nothing waits, as
    /// broadcasts do; all else is queued.
    mutating func tellPresence(to transport: inout some Transport & ~Copyable) {
        guard presence.hasWorkLeft || typing.hasWorkLeft else { return }
        presence.isPartial = bus?.isPartialOfPeople(clock.now) ?? false
        var budget = Limits.presenceDeliveriesPerTurn
        while budget > 0, let ask = presence.dequeueAsk() {
            budget -= 1
            tellState(to: ask.client, ask.user, in: ask.project)
        }
        for _ in 0..<presence.queuedCount {
            guard budget > 0, let room = presence.dequeueRoom() else { break }
            tellRound(of: room, &budget, to: &transport)
        }
        for _ in 0..<typing.queuedCount {
            guard budget > 0, let topic = typing.dequeueTopic() else { break }
            tellTyping(of: topic, &budget)
        }
    }

    // MARK: Rounds

    private mutating func tellRound(
        of raw: UInt32, _ budget: inout Int, to transport: inout some Transport & ~Copyable
    ) {
        var room = hub.room(of: presence.project(of: raw))
        if let room, hub.suspension(of: room) != .none {
            presence.postponeRound(of: raw, clock.now)
            return
        }
        if !presence.isRoundUnderWay(in: raw) { beginRound(of: raw) }
        var states = PresenceStates()
        while budget > 0 {
            // Between users, since those whose connections turn out to be lost leave their places.
            if transport.isFull {
                submitChanges(of: raw, to: &transport)
                room = hub.room(of: presence.project(of: raw))
            }
            guard let position = presence.nextUser(in: raw) else {
                submitChanges(of: raw, to: &transport)
                outbox.release(presence.endRound(of: raw, clock.now))
                states.release(in: &outbox)
                return
            }
            var next = presence.firstConnection(of: position, in: raw)
            while let watch = next {
                next = presence.nextConnection(after: watch, of: position, in: raw)
                guard let news = presence.news(for: watch, of: position, in: raw) else { continue }
                budget -= 1
                let place = Presence.Place(room: raw, position: position, watch: watch)
                guard news != .changes else {
                    tellChanges(at: place, in: room, to: &transport)
                    continue
                }
                let segment = segment(of: news, in: raw, isEarly: false, &states)
                tell(news, segment, at: place, in: room, isEarly: false)
            }
        }
        submitChanges(of: raw, to: &transport)
        states.release(in: &outbox)
        presence.requeue(raw)
    }

    private mutating func beginRound(of raw: UInt32) {
        var message = outbox.message()
        if presence.beginRound(of: raw, into: &message.text, clock.now) {
            presence.setFrame(makeSegment(of: &message), of: raw)
        }
        outbox.discard(message)
    }

    mutating func makeSegment(of message: inout OutgoingMessage) -> SegmentIndex {
        message.endFrame()
        return outbox.segments.make(of: message.bytes, frames: 1)
    }

    private mutating func segment(
        of news: PresenceNews, in raw: UInt32, isEarly: Bool, _ states: inout PresenceStates
    ) -> SegmentIndex {
        switch news {
        case .changes: return presence.frame(of: raw)
        case .list:
            if states.list == .none { states.list = makeState(of: raw, withList: true, isEarly) }
            return states.list
        case .count:
            if states.count == .none { states.count = makeState(of: raw, withList: false, isEarly) }
            return states.count
        }
    }

    private mutating func makeState(
        of raw: UInt32, withList: Bool, _ isEarly: Bool
    ) -> SegmentIndex {
        var message = outbox.message()
        presence.writeState(of: raw, withList: withList, isEarly: isEarly, into: &message.text)
        let segment = makeSegment(of: &message)
        outbox.discard(message)
        return segment
    }

    /// Queues something for one connection, unless it may not get it, or can't for now.
    private mutating func tell(
        _ news: PresenceNews, _ segment: SegmentIndex, at place: Presence.Place,
        in room: RoomIndex?, isEarly: Bool
    ) {
        let index = presence.watchedClient(place.watch, of: place.position, in: place.room)
        let isQueued = maySee(room, index) && queueState(segment, to: index)
        note(news, isTold: isQueued, to: index, at: place, isEarly: isEarly)
    }

    private mutating func note(
        _ news: PresenceNews, isTold: Bool, to index: ClientIndex, at place: Presence.Place,
        isEarly: Bool
    ) {
        if isTold {
            metrics.presenceMessages[news == .changes ? .diff : .state] += 1
            presence.noteSent(place.watch, of: place.position, in: place.room, isEarly: isEarly)
        } else {
            metrics.presenceMissed += 1
            presence.noteMissed(
                place.watch, of: place.position, in: place.room,
                isBlocked: clients[index].queue.marks.contains(.blocked), clock.now)
        }
    }

    // Hot path.
    /// Adds the round's frame for one connection to the batch, or queues it behind what waits.
    private mutating func tellChanges<Target: Transport & ~Copyable>(
        at place: Presence.Place, in room: RoomIndex?, to transport: inout Target
    ) {
        let index = presence.watchedClient(place.watch, of: place.position, in: place.room)
        let frame = presence.frame(of: place.room)
        var isTold = maySee(room, index)
        if isTold {
            let encrypts = Target.encrypts
            if !transport.isFull, clients[index].phase == .open,
                clients[index].queue.takesStateDirectly,
                !encrypts || !clients[index].flags.contains(.tls)
            {
                // The round's reference keeps the bytes in place until the batch is submitted.
                unsafe transport.append(
                    descriptor: clients[index].descriptor,
                    bytes: outbox.segments.address(of: frame),
                    count: outbox.segments.count(of: frame), tag: index)
            } else {
                isTold = queueState(frame, to: index)
            }
        }
        note(.changes, isTold: isTold, to: index, at: place, isEarly: false)
    }

    // Hot path.
    /// Sends the batch of a round, which has the round's frame for each of its connections.
    private mutating func submitChanges(
        of raw: UInt32, to transport: inout some Transport & ~Copyable
    ) {
        guard transport.count > 0 else { return }
        transport.submit()
        let frame = presence.frame(of: raw)
        for position in 0..<transport.count {
            let index = transport.tag(at: position)
            var sent = 0
            switch transport.result(at: position) {
            case .sent(let count): sent = count
            case .wouldBlock: break
            case .failed:
                connectionLost(index)
                continue
            }
            metrics.sentBytes &+= UInt64(sent)
            guard sent < transport.byteCount(at: position) else { continue }
            block(index)
            outbox.queueState(frame, from: sent, for: index, &clients[index].queue, clock)
        }
        transport.removeAll()
    }

    func maySee(_ room: RoomIndex?, _ index: ClientIndex) -> Bool {
        guard let room else { return false }
        return hub.suspension(of: room) == .none && !hub.isSuspended(index, in: room)
    }

    mutating func queueState(_ segment: SegmentIndex, to index: ClientIndex) -> Bool {
        clients[index].phase == .open
            && outbox.queueState(segment, for: index, &clients[index].queue, clock)
    }

    // MARK: States

    /// Tells a connection who is present, if it has no state.
    private mutating func tellState(
        to index: ClientIndex, _ user: UserID, in project: ProjectID
    ) {
        guard let found = presence.missingPlace(of: index, user, in: project) else { return }
        let isEarly = presence.isNextStateEarly(in: found.room)
        // Places change when those who are gone are forgotten.
        guard let place = presence.missingPlace(of: index, user, in: project) else { return }
        let news = presence.stateNews(
            place.watch, of: place.position, in: place.room, isEarly: isEarly)
        var states = PresenceStates()
        let segment = segment(of: news, in: place.room, isEarly: isEarly, &states)
        tell(news, segment, at: place, in: hub.room(of: project), isEarly: isEarly)
        states.release(in: &outbox)
    }

    /// The client's socket takes bytes again, and has taken all: it gets the states that it is owed.
    mutating func tellMissedStates(to index: ClientIndex) {
        presence.setBehind(index, false)
        let user = clients[index].user
        for project in hub.projects(of: index) { tellState(to: index, user, in: project) }
    }

    /// States and changes that waited for the client were dropped.
    mutating func forgetStates(of index: ClientIndex) {
        guard presence.takesPart(index) else { return }
        let user = clients[index].user
        for project in hub.projects(of: index) {
            presence.forgetState(of: index, user, in: project)
        }
    }
}

/// The states of a room that were written for one connection, and may be for the next: one reference
/// each.
private struct PresenceStates: BitwiseCopyable {
    var list = SegmentIndex.none
    var count = SegmentIndex.none

    func release(in outbox: inout Outbox) {
        outbox.release(list)
        outbox.release(count)
    }
}
