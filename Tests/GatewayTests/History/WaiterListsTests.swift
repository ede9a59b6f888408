import Gateway
import Reactor
import Testing

/// Lists of waiters beside arrays.
struct WaiterListsModel: ~Copyable {
    private struct Wait: Equatable {
        let client: Int
        let project: Int
        let deadline: UInt64
        var isUnverified = false
    }

    private static let clientCount = 12
    private static let projectCount = 6

    private var lists = WaiterLists()
    private var models: [UInt32: [Wait]] = [:]
    private var random: WebSocketTesting.Random
    private var time: UInt64 = 0

    init(seed: UInt64) {
        random = WebSocketTesting.Random(seed: seed)
    }

    mutating func step() {
        time += 1
        switch random.below(12) {
        case 0: makeList()
        case 1..<6: append()
        case 6, 7: remove()
        case 8: join()
        case 9: removeFirst()
        case 10: unverify()
        default: unverifyList()
        }
        compare()
    }

    mutating func finish() {
        for list in models.keys {
            var count = 0
            while lists.removeFirst(of: list) != nil { count += 1 }
            lists.freeList(list)
            #expect(count == models[list]?.count)
        }
        #expect(lists.count == 0)
        for client in 0..<Self.clientCount {
            #expect(lists.projects(of: HistoryTesting.client(client)).isEmpty)
        }
    }

    private mutating func anyList() -> UInt32? {
        models.isEmpty ? nil : models.keys.sorted()[random.below(models.count)]
    }

    private mutating func makeList() {
        guard models.count < 8 else { return }
        let list = lists.makeList()
        #expect(models[list] == nil)
        let isEmpty = lists.isEmpty(list)
        #expect(isEmpty)
        models[list] = []
    }

    private mutating func append() {
        guard let list = anyList() else { return }
        let client = random.below(Self.clientCount)
        let project = random.below(Self.projectCount)
        let waits = models.values.joined().contains {
            $0.client == client && $0.project == project
        }
        guard !waits else { return }
        let deadline = time + UInt64(random.below(100))
        lists.append(
            HistoryTesting.waiter(client, deadline: deadline),
            of: HistoryTesting.project(project), to: list)
        models[list]?.append(Wait(client: client, project: project, deadline: deadline))
    }

    private mutating func remove() {
        let client = random.below(Self.clientCount)
        let project = random.below(Self.projectCount)
        let removed = lists.remove(
            HistoryTesting.client(client), from: HistoryTesting.project(project))
        var expected: Wait?
        for list in models.keys {
            let position = models[list]?.firstIndex {
                $0.client == client && $0.project == project
            }
            if let position { expected = models[list]?.remove(at: position) }
        }
        #expect(removed?.deadline.nanoseconds == expected?.deadline)
        #expect(removed?.isUnverified == expected?.isUnverified)
    }

    private mutating func join() {
        guard let one = anyList(), let other = anyList(), one != other else { return }
        lists.join(one, to: other)
        let moved = models.removeValue(forKey: one) ?? []
        models[other]? += moved
    }

    private mutating func removeFirst() {
        guard let list = anyList() else { return }
        let waiter = lists.removeFirst(of: list)
        let expected = models[list]?.first
        #expect(waiter?.client == expected.map { HistoryTesting.client($0.client) })
        guard expected == nil else {
            models[list]?.removeFirst()
            return
        }
        lists.freeList(list)
        models[list] = nil
    }

    private mutating func unverify() {
        let client = random.below(Self.clientCount)
        let project = random.below(Self.projectCount)
        lists.unverify(HistoryTesting.client(client), in: HistoryTesting.project(project))
        for list in models.keys {
            for position in models[list, default: []].indices
            where models[list]?[position].client == client
                && models[list]?[position].project == project
            {
                models[list]?[position].isUnverified = true
            }
        }
    }

    private mutating func unverifyList() {
        guard let list = anyList(), random.below(4) == 0 else { return }
        lists.unverify(list)
        for position in models[list, default: []].indices {
            models[list]?[position].isUnverified = true
        }
    }

    private mutating func compare() {
        let all = models.values.joined()
        #expect(lists.count == all.count)
        for (list, model) in models {
            let waiters = lists.waiters(of: list)
            #expect(waiters.map(\.client) == model.map { HistoryTesting.client($0.client) })
            #expect(waiters.map(\.isUnverified) == model.map(\.isUnverified))
            #expect(lists.isEmpty(list) == model.isEmpty)
        }
        for client in 0..<Self.clientCount {
            let projects = Set(lists.projects(of: HistoryTesting.client(client)))
            let expected = all.filter { $0.client == client }.map {
                HistoryTesting.project($0.project)
            }
            #expect(projects == Set(expected))
        }
        var expired: [RemovedWaiter] = []
        let isComplete = lists.findExpired(Instant(nanoseconds: time), &expired)
        let expectedCount = all.count { $0.deadline <= time }
        #expect(isComplete == (expired.count < Limits.resumesPerTurn))
        #expect(expired.count == min(expectedCount, Limits.resumesPerTurn))
    }
}

@Suite struct WaiterListsBehaviour {
    @Test(arguments: 0..<4)
    func `whoever comes and goes, the lists hold what arrays hold, in their order`(run: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the waiter lists, run \(run): \(seed)")
        var model = WaiterListsModel(seed: seed)
        for _ in 0..<1_500 { model.step() }
        model.finish()
    }

    /// Each walked over all who waited, in every join and every loss of a client.
    @Test func `whoever comes and goes costs the same however many wait`() {
        func duration(waiting: Int) -> Duration {
            var lists = WaiterLists()
            let list = lists.makeList()
            let project = HistoryTesting.project(1)
            for number in 0..<waiting {
                lists.append(HistoryTesting.waiter(number), of: project, to: list)
            }
            return ContinuousClock().measure {
                for number in waiting..<(waiting + 200) {
                    lists.append(HistoryTesting.waiter(number), of: project, to: list)
                    let isWaiting = lists.projects(of: HistoryTesting.client(number)) == [project]
                    let other = lists.remove(
                        HistoryTesting.client(number), from: HistoryTesting.project(2))
                    let removed = lists.remove(HistoryTesting.client(number), from: project)
                    precondition(isWaiting && other == nil && removed != nil)
                }
            }
        }
        let few = (0..<3).map { _ in duration(waiting: 10) }.min() ?? .zero
        let many = (0..<3).map { _ in duration(waiting: 100_000) }.min() ?? .zero
        // A walk over 100,000 takes longer than all the rest by a factor of hundreds.
        #expect(many < few * 16, "\(few) and \(many)")
    }
}
