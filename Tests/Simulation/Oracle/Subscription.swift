/// What one client has heard of one project that it is in, and what it must hear yet.
struct Subscription {
    private static let resources = ["project_members", "projects", "sprints", "tasks"]

    /// The place of the last event that came.
    private var last = -1
    /// Places below this one may come again.
    private var repeatsEnd = 0
    /// The place of the next event that must come: all that were announced since the client was told
    /// that it is in the project.
    private var next: Int
    /// Places from there on of which the client heard by the event log.
    private var madeGood: Set<Int> = []
    /// Places below this one were passed over, and have to be made good by a resync.
    private var missingEnd = 0
    /// How much of a resync has come, and which events it stands for.
    private var resyncCount = 0
    private var resyncEnd = 0

    /// - Parameter next: the place of the first event that must come.
    init(next: Int) {
        self.next = next
    }

    /// The event log has told of the events at these places.
    mutating func hearLogged(_ places: [Int]) {
        madeGood.formUnion(places.filter { $0 >= next })
        advance()
    }

    private mutating func advance() {
        while madeGood.remove(next) != nil { next += 1 }
    }

    /// Events at these places may come once more.
    mutating func allowRepeats(below end: Int) { repeatsEnd = end }

    var isInResync: Bool { resyncCount > 0 }

    mutating func hear(_ place: Int, mayBeMissing: (Range<Int>) -> Bool) throws(Violation) {
        if place <= last, place < repeatsEnd { return }
        guard place > last else {
            throw Violation(.order, "event \(place) of its project came behind \(last)")
        }
        if place > next {
            guard mayBeMissing(next..<place) else {
                throw Violation(.lost, "events \(next)..<\(place) of a project didn't come")
            }
            missingEnd = place
        }
        last = place
        // One from before may still come: it was on its way when the client joined, or got a resync.
        next = max(next, place + 1)
        advance()
    }

    mutating func hearResync(of resource: String, placesTaken: Int) throws(Violation) {
        if resource == Self.resources[0] {
            resyncCount = 0
            resyncEnd = placesTaken
        }
        guard Self.resources[resyncCount] == resource else {
            throw Violation(.message, "a resync of \(resource) at place \(resyncCount)")
        }
        resyncCount += 1
        guard resyncCount == Self.resources.count else { return }
        resyncCount = 0
        next = max(next, resyncEnd)
        advance()
        if missingEnd <= resyncEnd { missingEnd = 0 }
    }

    /// Nothing is on its way any more.
    func checkNothingMissing(placesTaken: Int) throws(Violation) {
        if missingEnd > 0 { throw Violation(.lost, "no resync for events below \(missingEnd)") }
        if next < placesTaken {
            throw Violation(.lost, "events \(next)..<\(placesTaken) of a project never came")
        }
    }
}
