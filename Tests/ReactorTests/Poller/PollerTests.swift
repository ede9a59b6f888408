import Glibc
import Reactor
import Testing

@Suite struct PollerBehaviour {
    private static let handle = Handle(kind: 3, index: 77, generation: 5)

    @Test func `what is ready comes with its handle, level triggered`() throws {
        let poller = try Poller()
        let pair = try SocketPair()
        try poller.add(pair.tested, handle: Self.handle, interest: .read)
        let before = try poller.wait(nanoseconds: 0)
        #expect(before == 0)
        try pair.peerSends([1])
        for _ in 0..<2 {
            let count = try poller.wait(nanoseconds: 0)
            let handle = poller.handle(at: 0)
            let readiness = poller.readiness(at: 0)
            #expect(count == 1 && handle == Self.handle)
            #expect(readiness.isReadable && !readiness.isWritable && !readiness.isBroken)
        }
    }

    @Test func `another interest takes the place of the first, with its handle`() throws {
        let poller = try Poller()
        let pair = try SocketPair()
        try pair.peerSends([1])
        try poller.add(pair.tested, handle: Self.handle, interest: .read)
        let other = Handle(kind: 1, index: 2, generation: 3)
        try poller.modify(pair.tested, handle: other, interest: .write)
        let count = try poller.wait(nanoseconds: 0)
        let handle = poller.handle(at: 0)
        let readiness = poller.readiness(at: 0)
        #expect(count == 1 && handle == other)
        #expect(readiness.isWritable && !readiness.isReadable)
        try poller.modify(pair.tested, handle: other, interest: [])
        let none = try poller.wait(nanoseconds: 0)
        #expect(none == 0)
    }

    @Test func `a descriptor that was taken out, or closed, is silent`() throws {
        let poller = try Poller()
        let kept = try SocketPair()
        try kept.peerSends([1])
        try poller.add(kept.tested, handle: Self.handle, interest: .read)
        try poller.remove(kept.tested)
        do {
            let closed = try SocketPair()
            try closed.peerSends([1])
            try poller.add(closed.tested, handle: Self.handle, interest: .read)
        }
        let count = try poller.wait(nanoseconds: 0)
        #expect(count == 0)
    }

    @Test func `the number of a closed descriptor comes back with the handle of its new owner`()
        throws
    {
        let poller = try Poller()
        var old = try SocketPair()
        let number = old.tested
        try poller.add(number, handle: Self.handle, interest: .read)
        try old.peerSends([1])
        old = try SocketPair()  // The first is closed after the second is open, so take its number.
        let moved = dup2(old.tested, number)
        try #require(moved == number)
        let reused = OwnedDescriptor(adopting: number)
        let new = Handle(kind: 3, index: 77, generation: 7)
        try poller.add(reused.raw, handle: new, interest: .read)
        try old.peerSends([2])
        let count = try poller.wait(nanoseconds: 0)
        let handle = poller.handle(at: 0)
        #expect(count == 1 && handle == new)
    }

    @Test func `adding twice, and changing what isn't there, are errors`() throws {
        let poller = try Poller()
        let pair = try SocketPair()
        let descriptor = pair.tested
        do throws(Errno) {
            try poller.modify(descriptor, handle: Self.handle, interest: .read)
            Issue.record("changed what wasn't there")
        } catch {
            #expect(error == Errno(code: ENOENT))
        }
        try poller.add(descriptor, handle: Self.handle, interest: .read)
        do throws(Errno) {
            try poller.add(descriptor, handle: Self.handle, interest: .read)
            Issue.record("added twice")
        } catch {
            #expect(error == .alreadyExists)
        }
        do throws(Errno) {
            try poller.remove(descriptor)
            try poller.remove(descriptor)
            Issue.record("removed twice")
        } catch {
            #expect(error == Errno(code: ENOENT))
        }
    }

    @Test func `a peer that closed makes the descriptor readable, so that recv tells`() throws {
        let poller = try Poller()
        var pair = try SocketPair()
        try poller.add(pair.tested, handle: Self.handle, interest: [])
        pair.closePeer()
        let count = try poller.wait(nanoseconds: 0)
        let readiness = poller.readiness(at: 0)
        #expect(count == 1 && readiness.isReadable && readiness.isBroken)
    }

    @Test func `a wait is never shorter than asked, since a part of a millisecond counts as one`()
        throws
    {
        let poller = try Poller()
        for nanoseconds: UInt64 in [1, 999_999, 1_000_000, 1_000_001] {
            let before = Clock.monotonic()
            let count = try poller.wait(nanoseconds: nanoseconds)
            let waited = Clock.monotonic().nanoseconds(since: before)
            #expect(count == 0 && waited >= nanoseconds)
        }
    }

    @Test func `the longest of waits is one that something ends`() throws {
        let poller = try Poller()
        let pair = try SocketPair()
        try poller.add(pair.tested, handle: Self.handle, interest: .read)
        try pair.peerSends([1])
        // The sum that rounds up went over the end of 64 bits.
        for nanoseconds: UInt64? in [.max, .max - 999_998, nil] {
            let count = try poller.wait(nanoseconds: nanoseconds)
            #expect(count == 1)
        }
    }
}
