/// What clients want written, in their order: what waits for a statement, and what is in one whose answer is
/// still to come. What waits when a turn has heard all goes into one statement.
package struct WaitingWishes<Wish: Sendable>: Sendable {
    private var waiting: [Wish] = []
    private var asked: [UInt64: [Wish]] = [:]
    private var nextTag: UInt64 = 1
    /// Of all, those that are asked included.
    package private(set) var weight = 0
    private(set) var count = 0

    package var hasWaiting: Bool { !waiting.isEmpty }
    package var isEmpty: Bool { count == 0 }
}

extension WaitingWishes where Wish: DirectWish {
    /// False when as many wait as may: it isn't added.
    mutating func add(_ wish: Wish) -> Bool {
        guard count < Limits.directWishesMax, weight + wish.weight <= Limits.directWishBytesMax
        else { return false }
        waiting.append(wish)
        weight += wish.weight
        count += 1
        return true
    }

    /// Moves the first ones into a statement, and returns its tag; `nil` when none waits.
    mutating func begin() -> UInt64? {
        guard let first = waiting.first else { return nil }
        var end = 0
        var bytes = 0
        while end < waiting.count, end < Limits.directStatementWishesMax,
            bytes + waiting[end].weight <= Limits.directStatementBytesMax || end == 0,
            !waiting[end].isAlone || end == 0
        {
            bytes += waiting[end].weight
            end += 1
            if first.isAlone { break }
        }
        let tag = nextTag
        nextTag += 1
        asked[tag] = Array(waiting[..<end])
        waiting.removeFirst(end)
        return tag
    }

    func asked(_ tag: UInt64) -> [Wish] { asked[tag] ?? [] }

    /// The statement is answered: what was in it is nobody's any more.
    mutating func finish(_ tag: UInt64) -> [Wish] {
        guard let wishes = asked.removeValue(forKey: tag) else { return [] }
        forget(wishes)
        return wishes
    }

    /// The statement was refused. When it had several wishes, one of them may have been the reason: each
    /// gets a statement of its own, and `nil` is returned. Else the wish that it was.
    mutating func refuse(_ tag: UInt64) -> Wish? {
        guard var wishes = asked[tag] else { return nil }
        guard wishes.count > 1 else { return finish(tag).first }
        asked[tag] = nil
        for position in wishes.indices { wishes[position].isAlone = true }
        waiting.insert(contentsOf: wishes, at: 0)
        return nil
    }

    /// What waits can't be asked.
    mutating func removeWaiting() -> [Wish] {
        let wishes = waiting
        waiting = []
        forget(wishes)
        return wishes
    }

    private mutating func forget(_ wishes: [Wish]) {
        count -= wishes.count
        for wish in wishes { weight -= wish.weight }
    }
}
