package import Reactor

/// Those who wait for reads, each in two lists: of its read and of its client. So whoever goes is taken
/// out without a look at the others, however many wait.
package struct WaiterLists: ~Copyable {
    private struct Node {
        /// `nil` in a list's own node, and in one that is free.
        var waiter: ReadWaiter?
        var project: ProjectID
        /// The neighbours in the read's list, which is a ring around the list's own node.
        var next: UInt32
        var previous: UInt32
        /// The next one of the same client; 0 for the last. Of a free node: the next free one.
        var nextOfClient: UInt32 = 0
    }

    private static let nobody = ProjectID(high: 0, low: 0)

    /// Node 0 stands for "none".
    private var nodes = [Node(waiter: nil, project: nobody, next: 0, previous: 0)]
    private var firstFree: UInt32 = 0
    private var firstOfClient: [Handle: UInt32] = [:]
    /// Waiters in all lists.
    package private(set) var count = 0
    /// The node from which `findExpired` goes on.
    private var nextLook = 0

    package init() {}

    // MARK: Lists

    /// An empty list. It is named by its own node.
    package mutating func makeList() -> UInt32 {
        let list = makeNode(nil, Self.nobody)
        nodes[Int(list)].next = list
        nodes[Int(list)].previous = list
        return list
    }

    package func isEmpty(_ list: UInt32) -> Bool { nodes[Int(list)].next == list }

    /// Gives back an empty list.
    package mutating func freeList(_ list: UInt32) {
        precondition(isEmpty(list))
        free(list)
    }

    /// Moves all waiters of `source` behind those of `list`, and gives `source` back.
    package mutating func join(_ source: UInt32, to list: UInt32) {
        if !isEmpty(source) {
            let first = nodes[Int(source)].next
            let last = nodes[Int(source)].previous
            let end = nodes[Int(list)].previous
            link(end, first)
            link(last, list)
            nodes[Int(source)].next = source
            nodes[Int(source)].previous = source
        }
        freeList(source)
    }

    /// The waiters of a list, in the order in which they came.
    package func waiters(of list: UInt32) -> [ReadWaiter] {
        var waiters: [ReadWaiter] = []
        var node = nodes[Int(list)].next
        while node != list {
            if let waiter = nodes[Int(node)].waiter { waiters.append(waiter) }
            node = nodes[Int(node)].next
        }
        return waiters
    }

    /// Takes the first waiter out of a list; `nil` when it is empty.
    package mutating func removeFirst(of list: UInt32) -> ReadWaiter? {
        let first = nodes[Int(list)].next
        guard first != list else { return nil }
        let waiter = nodes[Int(first)].waiter
        remove(first)
        return waiter
    }

    // MARK: Waiters

    /// Appends a waiter, who doesn't wait for the project yet.
    package mutating func append(_ waiter: ReadWaiter, of project: ProjectID, to list: UInt32) {
        let node = makeNode(waiter, project)
        link(nodes[Int(list)].previous, node)
        link(node, list)
        nodes[Int(node)].nextOfClient = firstOfClient[waiter.client] ?? 0
        firstOfClient[waiter.client] = node
        count += 1
    }

    func isWaiting(_ client: Handle) -> Bool { firstOfClient[client] != nil }

    /// The projects for which a client waits.
    package func projects(of client: Handle) -> [ProjectID] {
        var projects: [ProjectID] = []
        var node = firstOfClient[client] ?? 0
        while node != 0 {
            projects.append(nodes[Int(node)].project)
            node = nodes[Int(node)].nextOfClient
        }
        return projects
    }

    /// Takes a client out that waits for the project; `nil` when it doesn't.
    package mutating func remove(_ client: Handle, from project: ProjectID) -> ReadWaiter? {
        guard let node = node(of: client, in: project) else { return nil }
        let waiter = nodes[Int(node)].waiter
        remove(node)
        return waiter
    }

    /// Marks a client's wait for the project: a removal was announced that may concern it.
    package mutating func unverify(_ client: Handle, in project: ProjectID) {
        guard let node = node(of: client, in: project) else { return }
        nodes[Int(node)].waiter?.isUnverified = true
    }

    /// The same for all of a list.
    package mutating func unverify(_ list: UInt32) {
        var node = nodes[Int(list)].next
        while node != list {
            nodes[Int(node)].waiter?.isUnverified = true
            node = nodes[Int(node)].next
        }
    }

    /// Who should have been answered by now, as many as may be answered in a turn, among as many as may
    /// be looked at. Returns whether all have been looked at; else the next call goes on from there.
    package mutating func findExpired(_ now: Instant, _ expired: inout [RemovedWaiter]) -> Bool {
        let end = min(nodes.count, nextLook + Limits.waitersSeenPerTurn)
        while nextLook < end {
            guard expired.count < Limits.resumesPerTurn else { return false }
            let node = nodes[nextLook]
            if let waiter = node.waiter, waiter.deadline <= now {
                expired.append(RemovedWaiter(waiter: waiter, project: node.project))
            }
            nextLook += 1
        }
        guard end == nodes.count else { return false }
        nextLook = 0
        return true
    }

    // MARK: Nodes

    /// Walks over the client's waits: as many as it may have projects.
    private func node(of client: Handle, in project: ProjectID) -> UInt32? {
        var node = firstOfClient[client] ?? 0
        while node != 0 {
            if nodes[Int(node)].project == project { return node }
            node = nodes[Int(node)].nextOfClient
        }
        return nil
    }

    private mutating func remove(_ node: UInt32) {
        guard let client = nodes[Int(node)].waiter?.client else {
            preconditionFailure("a list's own node is no waiter")
        }
        link(nodes[Int(node)].previous, nodes[Int(node)].next)
        unlink(node, of: client)
        free(node)
        count -= 1
    }

    private mutating func unlink(_ node: UInt32, of client: Handle) {
        let next = nodes[Int(node)].nextOfClient
        guard var previous = firstOfClient[client], previous != node else {
            firstOfClient[client] = next == 0 ? nil : next
            return
        }
        while nodes[Int(previous)].nextOfClient != node {
            previous = nodes[Int(previous)].nextOfClient
        }
        nodes[Int(previous)].nextOfClient = next
    }

    private mutating func link(_ node: UInt32, _ next: UInt32) {
        nodes[Int(node)].next = next
        nodes[Int(next)].previous = node
    }

    private mutating func makeNode(_ waiter: ReadWaiter?, _ project: ProjectID) -> UInt32 {
        let node = Node(waiter: waiter, project: project, next: 0, previous: 0)
        guard firstFree != 0 else {
            nodes.append(node)
            return UInt32(nodes.count - 1)
        }
        let index = firstFree
        firstFree = nodes[Int(index)].nextOfClient
        nodes[Int(index)] = node
        return index
    }

    private mutating func free(_ node: UInt32) {
        nodes[Int(node)].waiter = nil
        nodes[Int(node)].nextOfClient = firstFree
        firstFree = node
    }
}
