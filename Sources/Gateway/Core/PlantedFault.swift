/// Mistakes that can be planted in the core, each on a path that is seldom taken: what shows that the
/// simulation would find such a one. Nothing but its tests plants any.
package enum PlantedFault: String, CaseIterable, Sendable {
    /// A queue that is dropped leaves no note of the projects of which its client is owed a resync.
    case forgetsDroppedProjects
    /// The announcement of a removal doesn't outdate an answer about the member that is under way.
    case trustsOldAnswers
    /// Segments of a queue that is dropped aren't released.
    case keepsDroppedSegments
    /// What is announced while missed events are read isn't kept for those who wait for them.
    case forgetsWhatComesMeanwhile
}
