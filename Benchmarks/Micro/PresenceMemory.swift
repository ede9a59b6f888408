internal import CAllocationCounter
internal import Gateway
internal import Reactor

/// Memory of those who are present, at rest: what malloc(3) has given out, and what the kernel has
/// given the process once malloc gave back what it could. The second has the tables in it that are
/// reserved with mmap(2), and what is lost between blocks.
struct PresenceMemory {
    /// Bytes for a user in a project, of whatever is kept for presence.
    static let bytesMax = 64.0

    struct Shape {
        let name: String
        let projects: Int
        let usersPerProject: Int
        /// Whether it is the same user everywhere, by a connection for each hundred projects.
        var isOneUser = false

        var pairs: Int { projects * usersPerProject }
    }

    struct Figure {
        let shape: Shape
        let allocated: Double
        let resident: Double

        var isTooLarge: Bool { max(allocated, resident) > PresenceMemory.bytesMax }
    }

    static let shapes = [
        Shape(name: "100,000 users in one project", projects: 1, usersPerProject: 100_000),
        Shape(
            name: "one user in each of 65,000 projects", projects: 65_000, usersPerProject: 1,
            isOneUser: true),
        Shape(name: "1,000 users in each of 100 projects", projects: 100, usersPerProject: 1_000),
        Shape(name: "65 users in each of 1,500 projects", projects: 1_500, usersPerProject: 65),
        Shape(name: "17 users in each of 6,000 projects", projects: 6_000, usersPerProject: 17),
        Shape(name: "5 users in each of 20,000 projects", projects: 20_000, usersPerProject: 5),
        Shape(name: "2 users in each of 50,000 projects", projects: 50_000, usersPerProject: 2),
    ]

    static func measure() throws -> [Figure] {
        // What the first use of anything costs isn't counted.
        _ = try measure(Shape(name: "", projects: 100, usersPerProject: 10))
        return try shapes.map { try measure($0) }
    }

    private static func measure(_ shape: Shape) throws -> Figure {
        var crowd = Crowd(clients: 100_000)
        let allocatedBefore = allocated_bytes()
        let residentBefore = try residentBytes()
        crowd.come(shape)
        crowd.pass(seconds: 60)
        let allocated = Double(allocated_bytes()) - Double(allocatedBefore)
        let resident = try residentBytes() - residentBefore
        guard crowd.presence.userCount == shape.pairs else {
            throw MicroFailure("\(shape.name): \(crowd.presence.userCount) are present")
        }
        return Figure(
            shape: shape, allocated: allocated / Double(shape.pairs),
            resident: Double(resident) / Double(shape.pairs))
    }

    /// smaps_rollup counts pages one by one; the other figures of proc(5) lag behind.
    private static func residentBytes() throws -> Int {
        return_free_memory()
        let text = String(
            decoding: try FileContents.bytes(at: "/proc/self/smaps_rollup", bytesMax: 1 << 16),
            as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix("Anonymous:") {
            let fields = line.split(separator: " ")
            if fields.count > 1, let kilobytes = Int(fields[1]) { return kilobytes * 1_024 }
        }
        throw MicroFailure("/proc/self/smaps_rollup doesn't say how much memory is resident")
    }
}

/// Clients that take what they are told, in the core's order.
private struct Crowd: ~Copyable {
    var presence: Presence
    private var now = Instant(nanoseconds: 1_000_000_000_000)
    private var text = ByteBuffer(capacity: 65_536)

    init(clients: Int) {
        presence = Presence(listsUsers: true, slots: clients, seed: .random(in: 0 ... .max))
    }

    /// Everybody comes: two hundred in a turn.
    mutating func come(_ shape: PresenceMemory.Shape) {
        var wish = PresenceWish()
        wish.mode = .users
        for pair in 0..<shape.pairs {
            let project = pair % shape.projects
            let person = shape.isOneUser ? 0 : pair / shape.projects
            let client = shape.isOneUser ? project / 100 : person
            let outcome = presence.set(
                wish, of: ClientIndex(client), UserID(high: 2, low: UInt64(person)),
                in: ProjectID(high: 1, low: UInt64(project)), isSuspended: false, now)
            precondition(outcome == .done)
            if pair % 200 == 199 { turn(milliseconds: 10) }
        }
    }

    mutating func pass(seconds: Int) {
        for _ in 0..<seconds * 10 { turn(milliseconds: 100) }
    }

    private mutating func turn(milliseconds: UInt64) {
        tell()
        now = now.advanced(byMilliseconds: milliseconds)
        while presence.runTimers(TurnClock(now: now, wall: Timestamp(unixSeconds: 0))) {}
        tell()
    }

    private mutating func tell() {
        while let ask = presence.dequeueAsk() {
            guard
                let found = presence.missingPlace(of: ask.client, ask.user, in: ask.project)
            else { continue }
            let isEarly = presence.isNextStateEarly(in: found.room)
            presence.noteSent(
                found.watch, of: found.position, in: found.room, isEarly: isEarly)
        }
        for _ in 0..<presence.queuedCount {
            guard let room = presence.dequeueRoom() else { break }
            tellRound(room)
        }
    }

    private mutating func tellRound(_ room: UInt32) {
        text.removeAll()
        _ = presence.beginRound(of: room, into: &text, now)
        while let position = presence.nextUser(in: room) {
            var next = presence.firstConnection(of: position, in: room)
            while let watch = next {
                next = presence.nextConnection(after: watch, of: position, in: room)
                if presence.news(for: watch, of: position, in: room) != nil {
                    presence.noteSent(watch, of: position, in: room)
                }
            }
        }
        _ = presence.endRound(of: room, now)
    }
}
