internal import Logging
package import Reactor

/// Who has the sessions with the database.
extension EventLog {
    package func sessionsAre(_ role: SessionRole) {
        let name =
            switch role {
            case .own: "alone"
            case .leader: "leader"
            case .follower: "follower"
            case .waiting: "waiting"
            }
        write(role == .own ? .warning : .notice, "database sessions", ["role": .string(name)])
    }

    /// The follower catches up over another link.
    package mutating func followerIsCut(at now: Instant) {
        write(.warning, "follower cut", ["reason": "it doesn't read"])
    }

    package func leaderNamed(worker: Int, because reason: String) {
        write(
            .notice, "leader named",
            ["worker": .stringConvertible(worker), "reason": .string(reason)])
    }
}
