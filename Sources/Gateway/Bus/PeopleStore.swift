internal import Reactor

/// That a node says that a user is present in a project: 32 bytes.
struct PeopleEntry: BitwiseCopyable {
    var user: UserID
    var project: UInt32
    /// The neighbours in the list of the project's entries, or the next free one: one more than an
    /// index, zero for none.
    fileprivate(set) var next: UInt32
    fileprivate(set) var previous: UInt32
    /// Who says it, and since which of its generations.
    var source: UInt16
    var generation: UInt8
    private var bits: UInt8

    /// - Parameter seen: not absent.
    init(
        _ user: UserID, _ project: UInt32, _ source: UInt16, generation: UInt8, _ seen: Visibility
    ) {
        self.user = user
        self.project = project
        self.source = source
        self.generation = generation
        next = 0
        previous = 0
        bits = seen.rawValue
    }

    /// Absent where nothing is said: such a record is free.
    var seen: Visibility {
        get { Visibility(rawValue: bits & 3) ?? .active }
        set { bits = bits & ~3 | newValue.rawValue }
    }

    /// Whether nobody is told of it, since the membership was announced to have ended.
    var isShunned: Bool {
        get { bits & 4 != 0 }
        set { bits = newValue ? bits | 4 : bits & ~4 }
    }

    /// Of another node: it was said by one that had heard of an end of which this one has yet to hear.
    /// Of this node: it has to be said anew, to those who shun it.
    var isAnew: Bool {
        get { bits & 8 != 0 }
        set { bits = newValue ? bits | 8 : bits & ~8 }
    }
}

/// A project of which a node says something.
struct PeopleProject: BitwiseCopyable {
    let id: ProjectID
    /// One more than an index; of a free record the next free one, zero for none.
    var firstEntry: UInt32
}

/// The records of entries and of their projects, by index, each project with a list of its entries.
struct PeopleStore: ~Copyable {
    private let seed: UInt64
    private var entries = ReservedTable(
        capacity: Limits.busPeopleMax, of: PeopleEntry.self, zeroIsValid: true)
    /// Indices of entries are below this one, and free ones in a list.
    private(set) var end = 0
    private var firstFree: UInt32 = 0
    private(set) var count = 0
    private var projects = ReservedTable(
        capacity: Limits.busPeopleMax, of: PeopleProject.self, zeroIsValid: true)
    /// The same of projects.
    private var projectEnd: UInt32 = 0
    private var firstFreeProject: UInt32 = 0

    init(seed: UInt64) { self.seed = seed }

    subscript(index: UInt32) -> PeopleEntry {
        get { entries[index] }
        set { entries[index] = newValue }
    }

    func hash(of project: ProjectID) -> UInt64 { project.mixed(with: seed) }
    func hash(of user: UserID, in project: UInt32) -> UInt64 {
        user.mixed(with: seed ^ UInt64(project) << 20)
    }
    func hash(ofProject index: UInt32) -> UInt64 { hash(of: projectID(index)) }
    func hash(ofEntry index: UInt32) -> UInt64 {
        hash(of: entries[index].user, in: entries[index].project)
    }

    func projectID(_ index: UInt32) -> ProjectID { projects[index].id }
    func hasEntries(_ project: UInt32) -> Bool { projects[project].firstEntry != 0 }
    func firstEntry(_ project: UInt32) -> UInt32? { Self.index(projects[project].firstEntry) }
    func nextEntry(after index: UInt32) -> UInt32? { Self.index(entries[index].next) }

    private static func index(_ link: UInt32) -> UInt32? { link == 0 ? nil : link - 1 }

    mutating func makeProject(_ id: ProjectID) -> UInt32 {
        let index: UInt32
        if firstFreeProject == 0 {
            index = projectEnd
            projectEnd += 1
        } else {
            index = firstFreeProject - 1
            firstFreeProject = projects[index].firstEntry
        }
        projects[index] = PeopleProject(id: id, firstEntry: 0)
        return index
    }

    mutating func removeProject(_ index: UInt32) {
        projects[index].firstEntry = firstFreeProject
        firstFreeProject = index + 1
    }

    /// There has to be room for it.
    mutating func insert(_ entry: PeopleEntry) -> UInt32 {
        let index: UInt32
        if firstFree == 0 {
            index = UInt32(end)
            end += 1
        } else {
            index = firstFree - 1
            firstFree = entries[index].next
        }
        count += 1
        entries[index] = entry
        let first = projects[entry.project].firstEntry
        entries[index].next = first
        entries[index].previous = 0
        if first != 0 { entries[first - 1].previous = index + 1 }
        projects[entry.project].firstEntry = index + 1
        return index
    }

    mutating func remove(_ index: UInt32) {
        let entry = entries[index]
        if entry.next != 0 { entries[entry.next - 1].previous = entry.previous }
        if entry.previous != 0 {
            entries[entry.previous - 1].next = entry.next
        } else {
            projects[entry.project].firstEntry = entry.next
        }
        entries[index].seen = .absent
        entries[index].next = firstFree
        firstFree = index + 1
        count -= 1
        if count == 0 { returnMemory() }
    }

    private mutating func returnMemory() {
        if end >= Limits.memoryReturnSlotsMin { entries.returnMemory(from: 0) }
        end = 0
        firstFree = 0
    }
}
