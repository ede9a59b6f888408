/// How many deliveries of broadcasts are made in one turn; simulations make fewer.
package struct DeliveryLimits: BitwiseCopyable, Sendable {
    package var perTurn = Limits.deliveriesPerTurn
    /// Of those, what each project may have at least.
    package var perRoomShare = Limits.deliveriesPerRoomShare

    package init() {}
}

/// How the deliveries of one turn are shared out among the projects that have something to send: a
/// large audience is served over several turns, between which everybody else is heard, and a small
/// project's event isn't behind a large one's.
package struct Deliveries: BitwiseCopyable {
    private let rooms: Int
    private let share: Int
    private var budget: Int
    /// Rooms that have had their share.
    package private(set) var served = 0

    /// - Parameter rooms: how many have something to send.
    init(rooms: Int, _ limits: DeliveryLimits) {
        self.rooms = rooms
        budget = limits.perTurn
        share = rooms == 0 ? 0 : max(limits.perRoomShare, limits.perTurn / rooms)
    }

    /// The most that the next room may deliver now; `nil` when the turn's deliveries are made.
    package mutating func next() -> Int? {
        guard served < rooms, budget > 0 else { return nil }
        served += 1
        return min(share, budget)
    }

    /// The room delivered so many. One that had nobody to serve costs something, too.
    package mutating func spend(_ count: Int) {
        budget -= max(1, count)
    }
}
