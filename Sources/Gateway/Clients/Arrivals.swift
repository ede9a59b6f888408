internal import Reactor

/// What a connection that is no WebSocket may have to give way to, and so with whom it queues.
package enum ArrivalQueue: UInt8, BitwiseCopyable, Sendable {
    /// On the public listener, with a place.
    case visitors
    /// On the public listener, beyond the places: it is here to be refused with an answer.
    case refusals
    /// On the admin listener.
    case operators
}

/// Connections that are no WebSockets, in queues by the time at which they came or were last answered:
/// who is at the front has had its chance for longest, and gives way first.
package struct Arrivals: ~Copyable {
    struct Link: BitwiseCopyable {
        var before: UInt32
        var behind: UInt32
        /// When it came or was last answered, in wheel ticks.
        var tick: UInt32
        /// One more than the queue's number; zero for one that stands in none.
        var mark: UInt8
    }

    struct Ends: BitwiseCopyable {
        var first = Arrivals.none
        var last = Arrivals.none
        var count = 0
    }

    private static var none: UInt32 { .max }

    private var links: ReservedTable<Link>
    private var visitors = Ends()
    private var refusals = Ends()
    private var operators = Ends()

    package init(capacity: Int) {
        links = ReservedTable(capacity: capacity, of: Link.self, zeroIsValid: true)
    }

    private subscript(queue: ArrivalQueue) -> Ends {
        get {
            switch queue {
            case .visitors: visitors
            case .refusals: refusals
            case .operators: operators
            }
        }
        set {
            switch queue {
            case .visitors: visitors = newValue
            case .refusals: refusals = newValue
            case .operators: operators = newValue
            }
        }
    }

    package func count(of queue: ArrivalQueue) -> Int { self[queue].count }

    /// Who has waited for longest, and since which tick.
    package func first(of queue: ArrivalQueue) -> (index: ClientIndex, tick: UInt32)? {
        let first = self[queue].first
        return first == Self.none ? nil : (first, links[first].tick)
    }

    /// Puts the connection to the end of the queue, from wherever it stands.
    package mutating func append(_ index: ClientIndex, to queue: ArrivalQueue, at tick: UInt32) {
        remove(index)
        let last = self[queue].last
        links[index] = Link(
            before: last, behind: Self.none, tick: tick, mark: queue.rawValue + 1)
        if last == Self.none { self[queue].first = index } else { links[last].behind = index }
        self[queue].last = index
        self[queue].count += 1
    }

    /// It stands behind all others of its queue again; one that stands in none stays outside.
    package mutating func renew(_ index: ClientIndex, at tick: UInt32) {
        guard let queue = queue(of: index) else { return }
        append(index, to: queue, at: tick)
    }

    /// It stands in no queue any more; also if it didn't.
    package mutating func remove(_ index: ClientIndex) {
        guard let queue = queue(of: index) else { return }
        let link = links[index]
        if link.before == Self.none {
            self[queue].first = link.behind
        } else {
            links[link.before].behind = link.behind
        }
        if link.behind == Self.none {
            self[queue].last = link.before
        } else {
            links[link.behind].before = link.before
        }
        self[queue].count -= 1
        links[index].mark = 0
    }

    private func queue(of index: ClientIndex) -> ArrivalQueue? {
        let mark = links[index].mark
        return mark == 0 ? nil : ArrivalQueue(rawValue: mark - 1)
    }

    /// Gives the memory of the slots from `first` on back, of which none stands in a queue.
    package mutating func returnMemory(from first: Int) {
        links.returnMemory(from: first)
    }
}
