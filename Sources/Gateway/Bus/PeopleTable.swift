internal import Reactor

/// Who is present where, as nodes say, this one among them: found by user and project, by project, and
/// one after the other.
struct PeopleTable: ~Copyable {
    private var store: PeopleStore
    private var entrySlots = HashedIndices()
    private var projectSlots = HashedIndices()

    init(seed: UInt64) { store = PeopleStore(seed: seed) }

    var count: Int { store.count }
    /// Indices are below this one.
    var end: Int { store.end }

    /// An index at which nothing stands has an entry whose user is absent.
    subscript(index: UInt32) -> PeopleEntry {
        get { store[index] }
        set { store[index] = newValue }
    }

    func pair(at index: UInt32) -> MembershipPair {
        let entry = store[index]
        return MembershipPair(project: store.projectID(entry.project), user: entry.user)
    }

    private func place(of project: ProjectID) -> UInt32? {
        projectSlots.first(store.hash(of: project)) { store.projectID($0) == project }
    }

    /// Calls `body` with each entry of the user in the project.
    func forEach(_ pair: MembershipPair, _ body: (UInt32, PeopleEntry) -> Void) {
        guard let project = place(of: pair.project) else { return }
        _ = entrySlots.first(store.hash(of: pair.user, in: project)) { index in
            let entry = store[index]
            if entry.project == project, entry.user == pair.user { body(index, entry) }
            return false
        }
    }

    func find(_ pair: MembershipPair, of source: UInt16) -> UInt32? {
        guard let project = place(of: pair.project) else { return nil }
        return entrySlots.first(store.hash(of: pair.user, in: project)) { index in
            let entry = store[index]
            return entry.source == source && entry.project == project && entry.user == pair.user
        }
    }

    /// The users of the project of whom others than `source` say something; some more than once.
    func users(of project: ProjectID, except source: UInt16) -> [UserID] {
        guard let place = place(of: project) else { return [] }
        var users: [UserID] = []
        var next = store.firstEntry(place)
        while let index = next {
            if store[index].source != source { users.append(store[index].user) }
            next = store.nextEntry(after: index)
        }
        return users
    }

    /// Returns `nil` when there is no room. There has to be no such entry.
    mutating func insert(
        _ pair: MembershipPair, of source: UInt16, generation: UInt8, _ seen: Visibility
    ) -> UInt32? {
        guard count < Limits.busPeopleMax else { return nil }
        let project = place(of: pair.project) ?? makeProject(pair.project)
        let index = store.insert(
            PeopleEntry(pair.user, project, source, generation: generation, seen))
        entrySlots.insert(index, store.hash(ofEntry: index)) { store.hash(ofEntry: $0) }
        return index
    }

    mutating func remove(_ index: UInt32) {
        let project = store[index].project
        entrySlots.remove(index, store.hash(ofEntry: index)) { store.hash(ofEntry: $0) }
        store.remove(index)
        guard !store.hasEntries(project) else { return }
        projectSlots.remove(project, store.hash(ofProject: project)) {
            store.hash(ofProject: $0)
        }
        store.removeProject(project)
    }

    private mutating func makeProject(_ id: ProjectID) -> UInt32 {
        let project = store.makeProject(id)
        projectSlots.insert(project, store.hash(of: id)) { store.hash(ofProject: $0) }
        return project
    }
}
