import Gateway
import Reactor
import Testing

@Suite struct ReadTableBehaviour {
    private typealias Given = HistoryTesting

    private static func add(
        _ client: Int, from cursor: UInt64 = 10, for project: Int, to table: inout ReadTable
    ) -> Bool {
        table.add(Given.waiter(client, from: cursor), for: Given.project(project))
    }

    @Test func `reads are asked in the order in which they were wanted, in statements of 32`() {
        var table = ReadTable()
        for number in 0..<100 {
            let isAdded = Self.add(number, for: number, to: &table)
            #expect(isAdded)
        }
        var projects: [ProjectID] = []
        var counts: [Int] = []
        while let asked = table.ask() {
            projects += asked.projects
            counts.append(asked.projects.count)
        }
        #expect(projects == (0..<100).map(Given.project))
        #expect(counts == [32, 32, 32, 4])
    }

    @Test
    func `whoever comes later shares a read that goes back far enough, or waits for the next`()
        throws
    {
        var table = ReadTable()
        for (client, cursor) in [(1, 10), (2, 12)] as [(Int, UInt64)] {
            let isAdded = Self.add(client, from: cursor, for: 1, to: &table)
            #expect(isAdded)
        }
        _ = table.ask()
        for (client, cursor) in [(3, 9), (4, 10), (5, 11)] as [(Int, UInt64)] {
            let isAdded = Self.add(client, from: cursor, for: 1, to: &table)
            #expect(isAdded)
        }
        let early = table.ask()
        #expect(early == nil, "one is under way")
        let firstOrNone = Given.finish(1, in: &table)
        let first = try #require(firstOrNone)
        #expect(first.waiters.map(\.client) == [1, 2, 4, 5].map(Given.client))
        #expect(first.read.since == Cursor(transaction: 10))
        _ = table.ask()
        let secondOrNone = Given.finish(1, in: &table)
        let second = try #require(secondOrNone)
        #expect(second.waiters.map(\.client) == [Given.client(3)])
        #expect(second.read.since == Cursor(transaction: 9))
        let isEmpty = table.isEmpty
        #expect(isEmpty)
    }

    @Test func `a read that is asked again keeps those who wait in their order`() throws {
        var table = ReadTable()
        for client in [5, 3, 4] {
            let isAdded = Self.add(client, for: 1, to: &table)
            #expect(isAdded)
        }
        _ = table.ask()
        for client in [2, 1] {
            let isAdded = Self.add(client, from: 5, for: 1, to: &table)
            #expect(isAdded)
        }
        _ = table.askAllAgain()
        _ = table.ask()
        let answeredOrNone = Given.finish(1, in: &table)
        let answered = try #require(answeredOrNone)
        #expect(answered.waiters.map(\.client) == [5, 3, 4, 2, 1].map(Given.client))
        #expect(answered.read.since == Cursor(transaction: 5))
        let isEmpty = table.isEmpty
        #expect(isEmpty)
    }

    @Test
    func
        `reads that are answered are given to all who wait, the first first, and nobody joins them`()
        throws
    {
        var table = ReadTable()
        for (client, project) in [(1, 2), (2, 1), (3, 2)] {
            let isAdded = Self.add(client, for: project, to: &table)
            #expect(isAdded)
        }
        _ = table.ask()
        for project in [2, 1] {
            let readOrNone = table.take(Given.project(project))
            let read = try #require(readOrNone)
            let isDropped = table.dropUnlessAwaited(read)
            #expect(!isDropped)
            table.give(ReadAnswer(resync: .cursorExpired), of: read)
        }
        let isAdded = Self.add(4, for: 2, to: &table)
        #expect(isAdded)
        var given: [Handle] = []
        while let read = table.firstAnswered {
            while let waiter = table.removeFirstWaiter(of: read) { given.append(waiter.client) }
            _ = table.finishFirstAnswered()
        }
        #expect(given == [1, 3, 2].map(Given.client))
        let asked = table.ask()
        #expect(asked?.projects == [Given.project(2)])
        let last = Given.finish(2, in: &table)
        #expect(last?.waiters.map(\.client) == [Given.client(4)])
        #expect(table.isEmpty && !table.hasAnswered)
    }

    @Test func `as many wait as may`() {
        var table = ReadTable()
        for client in 0..<Limits.resumesWaitingMax {
            let isAdded = Self.add(client, for: client % 3, to: &table)
            precondition(isAdded)
        }
        let isAdded = Self.add(-1 + Limits.resumesWaitingMax + 1, for: 0, to: &table)
        #expect(!isAdded)
        #expect(table.waiterCount == Limits.resumesWaitingMax)
        _ = table.remove(Given.client(7), from: Given.project(1))
        let isAddedThen = Self.add(Limits.resumesWaitingMax, for: 0, to: &table)
        #expect(isAddedThen)
    }

    @Test(arguments: [false, true])
    func `whoever joins and leaves for ever makes nothing longer`(isOneUnderWay: Bool) {
        var table = ReadTable()
        if isOneUnderWay {
            let isAdded = Self.add(0, for: 1, to: &table)
            #expect(isAdded)
            _ = table.ask()
        }
        for round in 0..<20_000 {
            let isAdded = Self.add(1, from: 1, for: 1, to: &table)
            #expect(isAdded)
            if round % 10 == 0, isOneUnderWay {
                let asked = table.ask()
                #expect(asked == nil)
            }
            table.removeAll(of: Given.client(1))
            #expect(table.order.count <= 70)
        }
        #expect(table.waiterCount == (isOneUnderWay ? 1 : 0))
    }

    @Test func `more events than a segment takes overflow the read, and nothing of them is kept`()
        throws
    {
        for excess in [-1, 0, 1] {
            var table = ReadTable()
            let isAdded = Self.add(1, for: 1, to: &table)
            #expect(isAdded)
            _ = table.ask()
            var frame = ByteBuffer()
            frame.append("f")
            for _ in 0..<Limits.segmentFramesMax + excess {
                table.keep(frame, of: Given.project(1))
            }
            let readOrNone = Given.finish(1, in: &table)
            let read = try #require(readOrNone).read
            #expect(read.isOverflown == (excess > 0))
            #expect(read.frames.isEmpty == (excess > 0))
        }
    }
}
