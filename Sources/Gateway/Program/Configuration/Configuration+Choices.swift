// What the settings that have words for values can be. An enumeration of a setting that is used in one
// place may stand there as well.
extension Configuration {
    /// Who may subscribe to a project.
    package enum Membership: String, CaseIterable, Sendable {
        /// The project's members, by the table `project_members`.
        case on
        /// Everyone with a valid token.
        case off
    }

    /// Whether processes tell each other what they count.
    package enum BusUse: String, CaseIterable, Sendable {
        /// With workers, and with Redis.
        case auto
        /// Each counts for itself.
        case off
    }

    /// Whose sessions with the database a worker has.
    package enum DatabaseSessionUse: String, CaseIterable, Sendable {
        /// Those of one worker, which all workers of the host share.
        case host
        /// Its own.
        case process
    }

    /// Whether io_uring is used.
    package enum IOUringUse: String, CaseIterable, Sendable {
        /// Where the kernel has it and lets us.
        case auto
        /// Not to have it is an error at start.
        case on
        case off
    }

    /// What happens to a client whose queue exceeds its bound.
    package enum SlowConsumerPolicy: String, CaseIterable, Sendable {
        /// The queue becomes one resync of each project concerned.
        case collapse
        /// The connection is closed with 4202.
        case disconnect
    }
}
