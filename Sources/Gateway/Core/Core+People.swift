internal import Reactor

// Users of other processes: who is present there, and who types.
extension Core {
    /// Shows those otherwise whom others see otherwise.
    ///
    /// - Parameter isUrgent: whether that is told at once.
    mutating func mergePeople(isUrgent: Bool = false) {
        while let pair = bus?.people.dequeueChanged() {
            let seen = bus?.people.seen(pair) ?? .absent
            presence.setElsewhere(
                pair.user, in: pair.project, seen, isUrgent: isUrgent, clock.now)
        }
    }

    /// Somebody takes part in the project who is the first one here to do so: those of other processes
    /// are there already.
    mutating func bringPeople(into project: ProjectID) {
        for user in bus?.people.users(of: project) ?? [] {
            let seen = bus?.people.seen(MembershipPair(project: project, user: user)) ?? .absent
            presence.setElsewhere(user, in: project, seen, clock.now)
        }
    }

    /// The user's membership was announced to have ended: whatever others say, nobody sees the user.
    mutating func shunPeople(_ pair: MembershipPair) {
        guard bus != nil else { return }
        bus?.people.noteRemoval(of: pair, clock.now)
        mergePeople(isUrgent: true)
        typing.end(of: pair.user, in: pair.project, clock.now)
    }

    /// What users of other processes type in, where somebody is here to be told.
    mutating func hearTyping(_ changes: [TypingChange]) {
        guard settings.presence == .on else { return }
        var topic = ByteBuffer(capacity: Limits.topicBytesMax)
        for change in changes where presence.concerns(change.pair.project) {
            guard bus?.people.wasRemoved(change.pair) != true,
                !presence.isHidden(change.pair.user, in: change.pair.project)
            else { continue }
            topic.removeAll()
            topic.append(change.topic.span)
            typing.hear(change, topic, clock.now)
        }
    }
}
