// Which projects have got or lost members since somebody asked, for other processes.
extension Hub {
    /// Whether the number of some project's members may be another.
    package var hasChanges: Bool { !changedProjects.isEmpty }

    @inline(never)
    mutating func noteChange(of room: RoomIndex) {
        changedProjects.insert(rooms[room].project)
    }

    /// The project's count is to be told, or told again.
    package mutating func noteChange(of project: ProjectID) { changedProjects.insert(project) }

    /// How many members these projects have now; further ones are left for the next time.
    package mutating func dequeueChanges(atMost countMax: Int) -> [ProjectCount] {
        var changes: [ProjectCount] = []
        changes.reserveCapacity(min(countMax, changedProjects.count))
        while changes.count < countMax, let project = changedProjects.popFirst() {
            let count = room(of: project).map { memberCount(of: $0) } ?? 0
            changes.append(ProjectCount(project, UInt32(clamping: count)))
        }
        return changes
    }
}
