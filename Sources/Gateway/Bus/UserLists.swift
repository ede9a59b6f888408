package import Reactor

/// Users of a project, kept for another node that asks for one part after the other.
package struct UserLists: Sendable {
    private struct List: Sendable {
        let asker: UInt64
        let question: UInt32
        let project: ProjectID
        let users: [UserID]
        let keptAt: Instant
    }

    /// The oldest first.
    private var lists: [List] = []

    package init() {}

    package mutating func keep(
        _ users: [UserID], for wanted: UsersWanted, of asker: UInt64, _ now: Instant
    ) {
        remove(wanted, of: asker)
        if lists.count == Limits.busListsMax { lists.removeFirst() }
        lists.append(
            List(
                asker: asker, question: wanted.question, project: wanted.project, users: users,
                keptAt: now))
    }

    /// The part that is asked for; `nil` when the list isn't there, and has to be made.
    package mutating func part(_ wanted: UsersWanted, of asker: UInt64) -> UsersFrame? {
        guard let list = lists.first(where: { Self.isMeant($0, wanted, asker) }) else {
            return nil
        }
        let rest = list.users[Self.position(after: wanted.after, in: list.users)...]
        let isLast = rest.count <= BusFrame.usersMax
        if isLast { remove(wanted, of: asker) }
        return UsersFrame(
            target: asker, question: wanted.question, isLast: isLast,
            users: Array(rest.prefix(BusFrame.usersMax)))
    }

    package mutating func check(_ now: Instant) {
        lists.removeAll {
            now.nanoseconds(since: $0.keptAt) >= Limits.busListNanoseconds
        }
    }

    private mutating func remove(_ wanted: UsersWanted, of asker: UInt64) {
        lists.removeAll { Self.isMeant($0, wanted, asker) }
    }

    private static func isMeant(_ list: List, _ wanted: UsersWanted, _ asker: UInt64) -> Bool {
        list.asker == asker && list.question == wanted.question && list.project == wanted.project
    }

    /// Where the first one stands that is greater, by halving.
    private static func position(after user: UserID?, in users: [UserID]) -> Int {
        guard let user else { return 0 }
        var (low, high) = (0, users.count)
        while low < high {
            let middle = (low + high) / 2
            if users[middle] <= user { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
