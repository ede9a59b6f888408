import Gateway
import Reactor
import Testing

@Suite struct OwnCountsBehaviour {
    @Test
    func `a change is told 75 ms after the last frame, and without one a heartbeat after 3 s`() {
        var own = OwnCounts(now: .at(milliseconds: 0))
        #expect(own.due(hasChanges: false, clients: 0) == .at(milliseconds: 75), "a greeting")
        #expect(own.publish([], clients: 0, .at(milliseconds: 100)).count == 1)
        #expect(own.due(hasChanges: false, clients: 0) == .at(milliseconds: 3_100))
        #expect(own.due(hasChanges: true, clients: 0) == .at(milliseconds: 175))
        #expect(own.due(hasChanges: false, clients: 1) == .at(milliseconds: 175))
        own.isGreetingDue = true
        #expect(own.due(hasChanges: false, clients: 0) == .at(milliseconds: 175))
    }

    @Test func `what is as it was told isn't told again`() {
        var own = OwnCounts(now: .at(milliseconds: 0))
        let count = ProjectCount(BusTesting.project(1), 2)
        #expect(own.publish([count], clients: 2, .at(milliseconds: 0))[0].frame.changes == [count])
        let again = own.publish([count], clients: 2, .at(milliseconds: 100))
        #expect(again.map(\.frame.changes) == [[]] && again.map(\.number) == [2])
    }

    @Test func `many changes are several frames, each with the hash of what was told by then`() {
        var own = OwnCounts(now: .at(milliseconds: 0))
        var counts = ProjectCounts()
        let changes = (0...BusFrame.projectsMax).map {
            ProjectCount(BusTesting.project(UInt64($0)), 1)
        }
        let batches = own.publish(changes, clients: 1, .at(milliseconds: 0))
        #expect(batches.map(\.frame.changes.count) == [BusFrame.projectsMax, 1])
        for batch in batches {
            for change in batch.frame.changes { #expect(counts.set(change) == true) }
            #expect(counts.hash == batch.frame.hash)
        }
    }
}

@Suite struct WaitingFramesBehaviour {
    private static func frame(_ number: UInt64) -> BusFrame {
        BusFrame(sender: BusIdentity(node: 1, epoch: 1), number: number, .goodbye(GoodbyeFrame()))
    }

    @Test func `frames are taken in their order, and one that isn't stays the first`() {
        var waiting = WaitingFrames()
        var taken: [UInt64] = []
        var queued: UInt64 = 0
        for round in 0..<400 {
            queued += 1
            let isTaken = waiting.append(Self.frame(queued))
            #expect(isTaken)
            // Never empty, so that what was sent has to be let go.
            guard round > 2 else { continue }
            let refused = waiting.removeFirst { _ in false }
            #expect(refused == nil)
            let count = waiting.removeFirst { bytes in
                taken.append((try? BusFrame(bytes))?.number ?? 0)
                return true
            }
            #expect(count == 28)
        }
        let isEmpty = waiting.isEmpty
        #expect(taken == Array(1...UInt64(taken.count)) && !isEmpty)
    }

    @Test func `beyond the bound a frame is dropped, and those before it stay`() {
        var waiting = WaitingFrames()
        var count = 0
        while waiting.append(Self.frame(1)) { count += 1 }
        #expect(count == Limits.busWaitingBytesMax / 28)
        let sent = waiting.removeFirst { _ in true }
        let isTaken = waiting.append(Self.frame(1))
        #expect(sent == 28 && isTaken)
        waiting.removeAll()
        let isEmpty = waiting.isEmpty
        let next = waiting.removeFirst { _ in true }
        #expect(isEmpty && next == nil)
    }
}
