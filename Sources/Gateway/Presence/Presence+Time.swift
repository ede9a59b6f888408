internal import Reactor

// When those who have gone are given up, and when there is something to tell.
extension Presence {
    /// Looks at the rooms whose time has come. Returns whether some had to be put off.
    package mutating func runTimers(_ clock: TurnClock) -> Bool {
        var looks = 0
        while looks < Limits.presenceLooksPerTurn {
            guard let raw = timers?.popDue(now: clock.tick) else { return false }
            looks += 1
            if self[raw].expiryTick <= clock.tick {
                looks += self[raw].users.count
                expire(in: raw, clock)
                guard isInUse(raw) else { continue }
            }
            if let roundAt = self[raw].roundAt, roundAt <= clock.now { queue(raw) }
            if restIfQuiet(raw, clock) { looks += Self.looksToRest } else { setTimer(of: raw) }
        }
        return true
    }

    /// What it costs to pack a room, in looks at a user.
    private static var looksToRest: Int { 64 }

    /// Gives up those who have been gone for long enough.
    private mutating func expire(in raw: UInt32, _ clock: TurnClock) {
        self[raw].expiryTick = .max
        // Backwards: the one that takes a place was looked at.
        for position in self[raw].users.indices.reversed() {
            let user = self[raw][position]
            guard !user.marks.isDisjoint(with: [.lingers, .staysHidden]) else { continue }
            if user.deadlineTick > clock.tick {
                self[raw].expiryTick = min(self[raw].expiryTick, user.deadlineTick)
                continue
            }
            self[raw][position].marks.subtract([.lingers, .staysHidden])
            judge(position, raw, clock.now)
            guard isInUse(raw) else { return }
        }
        // Not in each tick, however many go one after the other.
        if self[raw].expiryTick != .max {
            self[raw].expiryTick = max(self[raw].expiryTick, clock.tick + 2)
        }
    }
}
