package import Reactor

// Memberships in use, looked at again at a slow pace. Nobody's events wait for it: only a no changes
// anything.
extension Core {
    /// When some memberships are due to be looked at.
    package var recheckDeadline: Instant? { membership.rechecks.deadline }

    /// Asks about the clients of this step, as far as there is room for questions.
    package mutating func recheckMemberships() {
        membership.rechecks.begin(places: clients.highWaterMark, clock.now)
        guard database.answersQueries else { return }
        while let place = membership.rechecks.current {
            let index = ClientIndex(place)
            guard place >= clients.highWaterMark || !clients.isOccupied(index) || recheck(index)
            else { return }
            membership.rechecks.advance()
        }
    }

    /// False when there is no room for the client's questions: it comes again.
    private mutating func recheck(_ index: ClientIndex) -> Bool {
        let count = hub.projectCount(of: index)
        guard count > 0 else { return true }
        guard membership.checks.canRecheck(count) else { return false }
        for project in hub.projects(of: index) where !hub.isUnverified(index, of: project) {
            let pair = MembershipPair(project: project, user: clients[index].user)
            if membership.checks.ask(pair, .recheck) != .full { metrics.membershipRechecks &+= 1 }
        }
        return true
    }
}
