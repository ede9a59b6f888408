package import Reactor

// What other processes say of users, in the projects in which somebody takes part here.
extension Presence {
    /// How others see the user from now on, all of them together.
    package mutating func setElsewhere(
        _ user: UserID, in project: ProjectID, _ seen: Visibility, isUrgent: Bool = false,
        _ now: Instant
    ) {
        guard let raw = room(of: project) else { return }
        if let position = self[raw].position(of: user) {
            guard self[raw][position].elsewhere != seen else { return }
            self[raw][position].elsewhere = seen
            see(position, raw, isUrgent: isUrgent, now)
        } else if seen != .absent {
            guard self[raw].users.count < Limits.presentUsersPerProjectMax else {
                refusedElsewhere &+= 1
                return
            }
            var entry = PresentUser(user, PresentUser.none, [])
            entry.elsewhere = seen
            see(self[raw].append(entry), raw, now)
        }
    }
}
