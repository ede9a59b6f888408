package import Reactor

/// How many connections the other nodes have of users of whom one of them has many, and what they were told
/// of our own.
///
/// Only that much goes over the bus. As long as a user has fewer connections everywhere than the limit divided
/// by the nodes, the sum is below the limit, and nobody has to know it. Who has as many tells everybody, and
/// all who have any of the user tell theirs. It is told again and again, and forgotten when it isn't: whatever
/// is lost heals by itself.
///
/// A value without a clock or a carrier, beside `NodeTable`, which says whether a process is there.
package struct UserCounts: Sendable {
    private struct Node: Sendable {
        var epoch: UInt64
        /// As said since `turnedAt`, and before.
        var young: [UserID: UserCount] = [:]
        var old: [UserID: UserCount] = [:]
        var turnedAt: Instant

        func count(of user: UserID) -> UserCount? { young[user] ?? old[user] }
    }

    private var nodes: [UInt64: Node] = [:]
    /// Own ones, as the others were told last, and as they are found in the look that is under way.
    private var told: [UserID: UserCount] = [:]
    private var found: [UserID: UserCount] = [:]
    /// Where that look stands, and when the next one begins.
    private var position = 0
    private var lookAt: Instant
    private var lookNumber: UInt64 = 0

    /// Users, of others and own, for whom there was no room.
    package private(set) var refusals: UInt64 = 0

    package init(now: Instant) { lookAt = now }

    // MARK: Asking

    /// Connections that the user has at other nodes, as far as they have told.
    package func connections(of user: UserID) -> Int {
        var sum = 0
        for node in nodes.values { sum += Int(node.count(of: user)?.count ?? 0) }
        return sum
    }

    /// Users of whom something is kept, of each node; one that is said again counts twice for a while.
    private var keptCount: Int { nodes.values.reduce(0) { $0 + $1.young.count + $1.old.count } }

    /// Users of whom others have told, each counted for each node.
    package var count: Int {
        nodes.values.reduce(0) { sum, node in
            sum + node.young.count + node.old.keys.count { node.young[$0] == nil }
        }
    }

    // MARK: Hearing

    package mutating func receive(
        _ counts: [UserCount], from sender: BusIdentity, _ now: Instant
    ) {
        var node =
            nodes.removeValue(forKey: sender.node)
            ?? Node(epoch: sender.epoch, turnedAt: now)
        if node.epoch != sender.epoch { node = Node(epoch: sender.epoch, turnedAt: now) }
        Self.turn(&node, now)
        let room = Limits.busUsersMax - keptCount
        for count in counts {
            if count.count == 0 {
                node.young[count.user] = nil
                node.old[count.user] = nil
            } else if node.young[count.user] != nil
                || node.young.count < min(Limits.busUsersPerNodeMax, room)
            {
                node.young[count.user] = count
            } else {
                refusals &+= 1
            }
        }
        nodes[sender.node] = node
    }

    /// The node has ended, or is silent.
    package mutating func remove(_ node: UInt64) { nodes[node] = nil }

    /// What wasn't said again is forgotten after one to two such times.
    private static func turn(_ node: inout Node, _ now: Instant) {
        guard now.nanoseconds(since: node.turnedAt) >= Limits.busFreezeNanoseconds else { return }
        node.old = node.young
        node.young = [:]
        node.turnedAt = now
    }

    package mutating func check(_ now: Instant) {
        for name in nodes.keys {
            guard var node = nodes.removeValue(forKey: name) else { continue }
            Self.turn(&node, now)
            if !node.young.isEmpty || !node.old.isEmpty { nodes[name] = node }
        }
    }

    // MARK: Telling

    /// When the own users are looked at again, or the look goes on.
    package var lookDue: Instant { lookAt }

    /// Where to look on; `nil` when it isn't time.
    package func lookPosition(_ now: Instant) -> Int? { lookAt <= now ? position : nil }

    /// Users of whom somebody else has many: those that this node has are told too.
    package var askedFor: Set<UserID> {
        var users: Set<UserID> = []
        for node in nodes.values {
            for counts in [node.young, node.old] {
                for count in counts.values where count.asksOthers { users.insert(count.user) }
            }
        }
        return users
    }

    /// Adds what was found at that place.
    ///
    /// - Parameter next: where to look on; `nil` at the end.
    package mutating func add(_ counts: [UserCount], next: Int?) {
        for count in counts where count.count > 0 { find(count) }
        position = next ?? 0
    }

    private mutating func find(_ count: UserCount) {
        if found[count.user] != nil { return }
        guard found.count < Limits.busUsersPerNodeMax else {
            refusals &+= 1
            return
        }
        found[count.user] = count
    }

    /// The look is over. Returns what is to be told.
    package mutating func endLook(_ now: Instant) -> [UserCount] {
        lookAt = now.advanced(byNanoseconds: Limits.busUsersLookNanoseconds)
        lookNumber &+= 1
        return tell()
    }

    /// What is new, and each time a part of all the rest.
    private mutating func tell() -> [UserCount] {
        var telling: [UserCount] = []
        let part = lookNumber % Limits.busUsersLooksPerTelling
        for count in found.values
        where told[count.user] != count
            || count.user.low % Limits.busUsersLooksPerTelling == part
        {
            telling.append(count)
        }
        for user in told.keys where found[user] == nil { telling.append(UserCount(user, 0)) }
        told = found
        found = [:]
        return telling
    }
}
