import Gateway
import Reactor
import Testing

@Suite struct DirectBehaviour {
    private static func handle(_ number: Int) -> Handle {
        Handle(kind: 0, index: UInt32(number), generation: 1)
    }

    private static func user(_ number: Int) -> UserID { UserID(high: 2, low: UInt64(number)) }

    private static func send(_ number: Int, bytes: Int = 2) -> DirectSend {
        DirectSend(
            client: handle(1), origin: UUID(high: 0, low: 1), sender: user(1), recipient: user(2),
            id: UUID(high: 3, low: UInt64(number)), wantsReceipt: false, ttlSeconds: 60,
            reference: .absent, data: Array(repeating: 0x20, count: bytes))
    }

    private static func ids(_ sends: [DirectSend]) -> [UInt64] { sends.map(\.id.low) }

    // MARK: Statements

    @Test func `what waits goes into one statement, up to what one holds`() {
        var direct = Direct(seed: 1)
        for number in 0..<Limits.directStatementWishesMax + 1 {
            let isTaken = direct.send(Self.send(number))
            #expect(isTaken)
        }
        let first = direct.beginSends()
        let second = direct.beginSends()
        let third = direct.beginSends()
        #expect(third == nil)
        let counts = [first, second].map { direct.asked(sends: $0 ?? 0).count }
        #expect(counts == [Limits.directStatementWishesMax, 1])
        // By bytes, too.
        var large = Direct(seed: 1)
        for number in 0..<200 { _ = large.send(Self.send(number, bytes: 4_096)) }
        let tag = large.beginSends() ?? 0
        let bytes = large.asked(sends: tag).reduce(0) { $0 + $1.data.count }
        #expect(bytes <= Limits.directStatementBytesMax && bytes > 400_000)
    }

    @Test func `beyond its bounds nothing more is taken, and what is answered makes room`() {
        var direct = Direct(seed: 1)
        for number in 0..<Limits.directWishesMax { _ = direct.send(Self.send(number)) }
        let isTaken = direct.send(Self.send(0))
        #expect(!isTaken)
        let tag = direct.beginSends() ?? 0
        let finished = direct.finish(sends: tag)
        #expect(finished.count == Limits.directStatementWishesMax)
        let again = direct.finish(sends: tag)
        #expect(again.isEmpty)
        let isTakenNow = direct.send(Self.send(0))
        #expect(isTakenNow)
        var heavy = Direct(seed: 1)
        var count = 0
        while heavy.send(Self.send(count, bytes: 4_096)) { count += 1 }
        let holds1 = heavy.sends.weight <= Limits.directWishBytesMax
        #expect(holds1)
        let rest = heavy.removeWaitingSends()
        let holds2 = rest.count == count && heavy.sends.weight == 0
        #expect(holds2)
    }

    @Test func `a statement that was refused is asked anew, each wish alone`() {
        var direct = Direct(seed: 1)
        for number in 0..<3 { _ = direct.send(Self.send(number)) }
        let tag = direct.beginSends() ?? 0
        _ = direct.send(Self.send(3))
        let culprit = direct.refuse(sends: tag)
        #expect(culprit == nil)
        var asked: [[UInt64]] = []
        while let tag = direct.beginSends() { asked.append(Self.ids(direct.asked(sends: tag))) }
        #expect(asked == [[0], [1], [2], [3]])
        let alone = direct.refuse(sends: 3)
        #expect(alone?.id.low == 1)
        let holds3 = direct.asked(sends: 3).isEmpty
        #expect(holds3)
    }

    // MARK: Announcements

    private static func hint(
        _ direct: inout Direct, recipient: Int, sender: Int, _ sequences: String
    ) -> Bool {
        let payload = Array("m \(user(recipient)) \(user(sender)) \(sequences)".utf8)
        guard let hint = DirectHint(payload.span) else { return false }
        return direct.note(hint, payload.span)
    }

    @Test func `what concerns nobody here isn't read`() {
        var direct = Direct(seed: 1)
        _ = direct.readInbox(of: Self.handle(1), Self.user(1), since: .start, .absent)
        let others = Self.hint(&direct, recipient: 2, sender: 3, "7")
        #expect(!others)
        let received = Self.hint(&direct, recipient: 1, sender: 3, "8 9")
        let sent = Self.hint(&direct, recipient: 3, sender: 1, "10")
        #expect(received && sent)
        let tag = direct.beginRows() ?? 0
        let holds4 = direct.asked(rows: tag).map(\.sequence) == [8, 9, 10]
        #expect(holds4)
        direct.remove(1)
        let gone = Self.hint(&direct, recipient: 1, sender: 3, "11")
        #expect(!gone)
    }

    @Test func `a flood of announcements ends in a look into the inbox`() {
        var direct = Direct(seed: 1)
        _ = direct.readInbox(of: Self.handle(1), Self.user(1), since: .start, .absent)
        let tag = direct.beginPages() ?? 0
        _ = direct.finish(pages: tag)
        _ = direct.notePage(
            of: 1, last: nil, hasMore: false, end: Cursor(transaction: 5))
        let holds5 = direct.beginPages() == nil
        #expect(holds5)
        for number in 1...Limits.directHintsMax + 2 {
            _ = Self.hint(&direct, recipient: 1, sender: 2, "\(number)")
        }
        let again = direct.beginPages()
        #expect(again != nil)
        let holds6 = direct.place(of: 1) == InboxPlace(transaction: 5, sequence: 0)
        #expect(holds6)
    }

    @Test func `what this process sent is remembered within bounds, and for some time`() {
        var direct = Direct(seed: 1)
        _ = direct.readInbox(of: Self.handle(1), Self.user(2), since: .start, .absent)
        func ask(_ numbers: Range<Int>, bytes: Int = 2, at seconds: UInt64) {
            for number in numbers {
                _ = direct.send(Self.send(number, bytes: bytes))
                let tag = direct.beginSends() ?? 0
                direct.remember(sends: tag, Instant(nanoseconds: seconds * 1_000_000_000))
                _ = direct.finish(sends: tag, [.sent], timestamp: [0x30])
            }
        }
        ask(0..<Limits.directOwnMax + 5, at: 1)
        let isFull = direct.own.count == Limits.directOwnMax
        #expect(isFull)
        // What isn't announced for long makes room.
        ask(100_000..<100_001, at: 30)
        let count = direct.own.count
        #expect(count == 1)
        ask(200_000..<202_000, bytes: 4_096, at: 31)
        let heavyCount = direct.own.count
        #expect(heavyCount == 1 + Limits.directOwnBytesMax / (4_096 + 256))
        direct.readAllAgain()
        let isEmpty = direct.own.count == 0
        #expect(isEmpty)
    }

    @Test func `what concerns nobody here isn't remembered`() {
        var direct = Direct(seed: 1)
        _ = direct.readInbox(of: Self.handle(1), Self.user(7), since: .start, .absent)
        _ = direct.send(Self.send(1))
        let tag = direct.beginSends() ?? 0
        direct.remember(sends: tag, Instant(nanoseconds: 1))
        let isEmpty = direct.own.count == 0
        #expect(isEmpty)
    }

    // MARK: Readers

    @Test func `a user's connections are found until they go, in whichever order`() {
        for gone in 0..<3 {
            var direct = Direct(seed: 1)
            for number in 0..<3 {
                _ = direct.readInbox(of: Self.handle(number), Self.user(1), since: .start, .absent)
            }
            direct.remove(UInt32(gone))
            direct.remove(UInt32(gone))
            var found: Set<UInt32> = []
            var next = direct.firstReader(of: Self.user(1))
            while let index = next {
                found.insert(index)
                next = direct.nextReader(after: index)
            }
            #expect(found == Set([0, 1, 2]).subtracting([UInt32(gone)]))
        }
    }

    @Test func `inboxes are asked for some at a time, and those who went meanwhile not at all`() {
        var direct = Direct(seed: 1)
        for number in 0..<Limits.inboxesPerStatement + 4 {
            _ = direct.readInbox(
                of: Self.handle(number), Self.user(number), since: .start, .absent)
        }
        direct.remove(0)
        let first = direct.beginPages() ?? 0
        let second = direct.beginPages() ?? 0
        let holds7 = direct.asked(pages: first).count == Limits.inboxesPerStatement
        #expect(holds7)
        let holds8 = direct.asked(pages: second).count == 3
        #expect(holds8)
        // Whose slot has another client since isn't given the page.
        direct.remove(1)
        let other = Handle(kind: 0, index: 1, generation: 2)
        _ = direct.readInbox(of: other, Self.user(7), since: .start, .absent)
        let holds9 = !direct.awaitsPage(Self.handle(1), of: first)
        #expect(holds9)
        let holds10 = !direct.awaitsPage(other, of: first)
        #expect(holds10)
        let holds11 = direct.awaitsPage(Self.handle(2), of: first)
        #expect(holds11)
        direct.askAgain(pages: second)
        let third = direct.beginPages() ?? 0
        let holds12 = direct.asked(pages: third).count == 4
        #expect(holds12)
    }

    @Test func `who asks again while a page is read has it read when that one has come`() {
        var direct = Direct(seed: 1)
        _ = direct.readInbox(of: Self.handle(0), Self.user(1), since: .start, .absent)
        let first = direct.beginPages() ?? 0
        for number in 1...3 {
            let earlier = direct.readInbox(
                of: Self.handle(0), Self.user(1),
                since: InboxPlace(transaction: UInt64(number), sequence: 0),
                Reference(integer: Int64(number)))
            #expect(earlier?.isPresent == (number > 1))
            let none = direct.beginPages()
            #expect(none == nil)
        }
        _ = direct.finish(pages: first)
        let isAwaited = direct.awaitsPage(Self.handle(0), of: first)
        #expect(!isAwaited)
        let second = direct.beginPages() ?? 0
        let third = direct.beginPages()
        #expect(third == nil)
        let place = direct.place(of: 0)
        #expect(place == InboxPlace(transaction: 3, sequence: 0))
        // A statement that isn't answered makes no difference.
        _ = direct.readInbox(of: Self.handle(0), Self.user(1), since: .start, .absent)
        direct.askAgain(pages: second)
        let fourth = direct.beginPages() ?? 0
        _ = direct.finish(pages: fourth)
        let isAwaitedNow = direct.awaitsPage(Self.handle(0), of: fourth)
        #expect(isAwaitedNow)
    }

    @Test func `crowds that come and go while nothing is asked leave no list behind`() {
        var direct = Direct(seed: 1)
        for _ in 0..<1_000 {
            for number in 0..<8 {
                _ = direct.readInbox(
                    of: Self.handle(number), Self.user(number), since: .start, .absent)
            }
            for number in 0..<8 { direct.remove(UInt32(number)) }
        }
        let holds13 = direct.isEmpty
        #expect(holds13)
        let holds14 = direct.readers.wantedCount < 200
        #expect(holds14)
    }
}
