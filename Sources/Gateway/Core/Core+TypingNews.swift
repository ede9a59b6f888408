internal import Reactor

// What clients are told of who types.
extension Core {
    mutating func tellTyping(of topic: UInt32, _ budget: inout Int) {
        let project = typing.project(of: topic)
        let room = hub.room(of: project)
        if !typing.isUnderWay(topic) {
            var message = outbox.message()
            typing.begin(
                topic, users: presence.userEnd(of: project), into: &message.text, clock.now)
            typing.setFrame(makeSegment(of: &message), of: topic)
            outbox.discard(message)
        }
        while budget > 0 {
            guard let position = typing.nextPosition(of: topic) else {
                outbox.release(typing.end(topic, clock.now))
                return
            }
            guard let seat = presence.seat(position, of: project) else { continue }
            var next = presence.firstConnection(of: position, in: seat.room)
            while let watch = next {
                next = presence.nextConnection(after: watch, of: position, in: seat.room)
                guard presence.wantsList(watch, of: position, in: seat.room) else { continue }
                budget -= 1
                let index = presence.watchedClient(watch, of: position, in: seat.room)
                if maySee(room, index) { tellTyping(of: topic, to: index, seat.user) }
            }
        }
        typing.requeue(topic)
    }

    /// Who types isn't told of it on other connections, only of the others.
    private mutating func tellTyping(
        of topic: UInt32, to index: ClientIndex, _ user: UserID
    ) {
        var isQueued = true
        switch typing.news(for: user, in: topic) {
        case .nothing: return
        case .all: isQueued = queueState(typing.frame(of: topic), to: index)
        case .others:
            var message = outbox.message()
            typing.write(topic, without: user, into: &message.text)
            let segment = makeSegment(of: &message)
            outbox.discard(message)
            isQueued = queueState(segment, to: index)
            outbox.release(segment)
        }
        if isQueued {
            metrics.presenceMessages[.typing] += 1
        } else {
            metrics.presenceMissed += 1
        }
    }
}
