import Gateway
import Reactor
import Testing

private func project(_ number: UInt64) -> ProjectID { ProjectID(high: 1, low: number) }

@Suite struct HubBehaviour {
    @Test(arguments: 0..<12)
    func `random joins, departures and fan-outs agree with sets`(run: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the hub, run \(run): \(seed)")
        var model = HubModel(seed: seed, projectCount: [1, 2, 8][run % 3])
        for _ in 0..<1_500 { model.step() }
        model.finish()
    }

    @Test func `a client is in at most 100 projects, and in another when it has left one`() {
        var hub = Hub(clientCapacity: 1, projectsPerClientMax: Limits.projectsPerConnectionMax)
        for number in 0..<100 as Range<UInt64> {
            _ = hub.makeOrdered(0)
            let outcome = hub.join(0, project(number))
            #expect(outcome == .joined)
        }
        let over = hub.join(0, project(100))
        let again = hub.join(0, project(99))
        let counts = [hub.projectCount(of: 0), hub.projectCount, hub.subscriptionCount]
        #expect(over == .limitReached && again == .already)
        #expect(counts == [100, 100, 100])
        hub.leave(0, project(50))
        let after = hub.join(0, project(100))
        #expect(after == .joined)
        hub.leaveAll(0, except: project(7))
        let left = hub.firstProject(of: 0)
        let leftCounts = [hub.projectCount(of: 0), hub.projectCount, hub.subscriptionCount]
        #expect(left == project(7) && leftCounts == [1, 1, 1])
    }

    @Test func `who leaves a project that it isn't in is told so, and nothing changes`() {
        var hub = Hub(clientCapacity: 2, projectsPerClientMax: 100)
        _ = hub.join(0, project(1))
        let others = hub.leave(1, project(1))
        let unknown = hub.leave(0, project(2))
        let counts = [hub.projectCount, hub.subscriptionCount]
        #expect(!others && !unknown && counts == [1, 1])
    }

    @Test func `leaving all but one leaves all when it isn't in that one`() {
        var hub = Hub(clientCapacity: 1, projectsPerClientMax: 100)
        for number in 0..<3 as Range<UInt64> {
            _ = hub.makeOrdered(0)
            _ = hub.join(0, project(number))
        }
        hub.leaveAll(0, except: project(9))
        let counts = [hub.projectCount(of: 0), hub.projectCount, hub.subscriptionCount]
        #expect(counts == [0, 0, 0])
    }

    @Test func `the index of a room is used again for another project`() {
        var hub = Hub(clientCapacity: 1, projectsPerClientMax: 100)
        _ = hub.join(0, project(1))
        let old = hub.room(of: project(1))
        hub.leaveAll(0)
        _ = hub.join(0, project(2))
        let new = hub.room(of: project(2))
        let gone = hub.room(of: project(1))
        #expect(old == new && new != nil && gone == nil)
    }

    @Test func `a room that was freed has no ordered members`() throws {
        var hub = Hub(clientCapacity: 2, projectsPerClientMax: 100)
        _ = hub.join(0, project(1))
        _ = hub.makeOrdered(0)
        _ = hub.join(0, project(2))
        let foundRoom = hub.room(of: project(2))
        let room = try #require(foundRoom)
        hub.leaveAll(0)
        // An event that was noted for a room outlives it when the members go in the same turn.
        let count = hub.orderedMemberCount(of: room)
        #expect(count == 0)
    }

    @Test func `a room that was left while it has something to send is freed after it was served`()
        throws
    {
        var hub = Hub(clientCapacity: 1, projectsPerClientMax: 100)
        var pool = SegmentPool()
        var frame = ByteBuffer()
        frame.append("x")
        _ = hub.join(0, project(1))
        let foundRoom = hub.room(of: project(1))
        let room = try #require(foundRoom)
        _ = hub.append(frame, to: room, in: &pool, framesMax: 9, bytesMax: 9)
        hub.leaveAll(0)
        let whileActive = hub.room(of: project(1))
        #expect(whileActive == room)
        let foundSegment = hub.fanOut(of: room)
        let segment = try #require(foundSegment)
        guard case .finished(let finished) = hub.nextRecipient(in: room) else {
            Issue.record("somebody who has left got something")
            return
        }
        #expect(finished == segment)
        pool.release(finished)
        hub.rotateActiveRooms(served: 1)
        let counts = [hub.projectCount, hub.activeRoomCount, pool.liveCount]
        #expect(counts == [0, 0, 0])
    }

    @Test func `a segment has exactly as many frames and bytes as it may`() throws {
        var hub = Hub(clientCapacity: 1, projectsPerClientMax: 100)
        var pool = SegmentPool()
        var frame = ByteBuffer()
        frame.append("four")
        _ = hub.join(0, project(1))
        let foundRoom = hub.room(of: project(1))
        let room = try #require(foundRoom)
        var fits: [Bool] = []
        for _ in 0..<4 {
            fits.append(hub.append(frame, to: room, in: &pool, framesMax: 3, bytesMax: 100))
        }
        #expect(fits == [true, true, true, false])
        let byBytes = [12, 15, 16].map { limit in
            hub.append(frame, to: room, in: &pool, framesMax: 100, bytesMax: limit)
        }
        #expect(byBytes == [false, false, true])
        _ = hub.fanOut(of: room)
    }

    @Test func `projects take turns: who was served goes behind those who weren't`() throws {
        var hub = Hub(clientCapacity: 3, projectsPerClientMax: 100)
        var pool = SegmentPool()
        var frame = ByteBuffer()
        frame.append("x")
        for number in 0..<3 as Range<UInt32> {
            _ = hub.join(number, project(UInt64(number)))
            let foundRoom = hub.room(of: project(UInt64(number)))
            let room = try #require(foundRoom)
            _ = hub.append(frame, to: room, in: &pool, framesMax: 9, bytesMax: 9)
        }
        hub.rotateActiveRooms(served: 1)
        let order = (0..<3).map { hub.project(of: hub.activeRoom(at: $0)) }
        #expect(order == [project(1), project(2), project(0)])
    }

    @Test func `who is served later is known before, and nobody behind the last`() throws {
        var hub = Hub(clientCapacity: 4, projectsPerClientMax: 100)
        var pool = SegmentPool()
        var frame = ByteBuffer()
        frame.append("x")
        for client in UInt32(0)..<3 { _ = hub.join(client, project(1)) }
        let foundRoom = hub.room(of: project(1))
        let room = try #require(foundRoom)
        _ = hub.append(frame, to: room, in: &pool, framesMax: 9, bytesMax: 9)
        _ = hub.fanOut(of: room)
        var expected = hub.recipient(after: 1, in: room)?.client
        guard case .member = hub.nextRecipient(in: room),
            case .member(let second) = hub.nextRecipient(in: room)
        else {
            Issue.record("three members, and not two of them are served")
            return
        }
        #expect(second.client == expected)
        expected = hub.recipient(after: 0, in: room)?.client
        let behind = hub.recipient(after: 1, in: room)
        #expect(behind == nil)
        guard case .member(let third) = hub.nextRecipient(in: room) else {
            Issue.record("the third member isn't served")
            return
        }
        #expect(third.client == expected)
    }
}
