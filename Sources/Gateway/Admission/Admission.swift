package import Reactor

/// Counts connections by address and by user, where there is a limit, and says who would be one too
/// many. A value that knows neither clients nor the clock.
package struct Admission: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    let limits: AdmissionLimits
    package let messages: RateRule?
    package let errors: RateRule?

    private var addresses: ConnectionCounts<NetworkAddress>
    private var users: ConnectionCounts<UserID>
    private var rates: TokenBuckets<NetworkAddress>?
    /// WebSockets that have yet to say who they are.
    package private(set) var unauthenticatedCount = 0

    /// What becomes of a connection when it comes in.
    package enum Entry {
        case admitted
        /// It is one too many, and is refused with an answer.
        case overLimit
        /// So many are being refused with an answer already that this one gets none.
        case dropped
    }

    package init(_ limits: AdmissionLimits, connectionsMax: Int, seed: UInt64) {
        self.limits = limits
        messages = limits.messagesPerSecond.map {
            RateRule(
                $0, perNanoseconds: 1_000_000_000, tick: TimerWheel.tickNanoseconds,
                burst: $0 * Limits.messageBurstSeconds)
        }
        errors = limits.errorsPerMinute.map {
            RateRule(
                $0, perNanoseconds: 60_000_000_000, tick: TimerWheel.tickNanoseconds, burst: $0)
        }
        addresses = ConnectionCounts(keysMax: connectionsMax, seed: seed, none: .local)
        users = ConnectionCounts(
            keysMax: connectionsMax, seed: seed, none: UserID(high: 0, low: 0))
        rates = limits.handshakesPerSecond.map {
            TokenBuckets(
                perSecond: $0, burst: $0 * Limits.handshakeBurstSeconds, seed: seed)
        }
    }

    /// Addresses and users that have a connection.
    package var addressCount: Int { addresses.keyCount }
    package var userCount: Int { users.keyCount }

    // MARK: Addresses

    /// Counts a connection of the address, unless it is dropped.
    package mutating func addConnection(of address: NetworkAddress) -> Entry {
        guard let most = limits.connectionsPerAddress else { return .admitted }
        let present = addresses.count(of: address)
        guard present < most + Limits.refusalsPerAddressMax, addresses.add(address) else {
            return .dropped
        }
        return present < most ? .admitted : .overLimit
    }

    mutating func removeConnection(of address: NetworkAddress) {
        if limits.connectionsPerAddress != nil { addresses.remove(address) }
    }

    /// Nanoseconds after which the address may make a handshake; zero when it may now, and then it
    /// is counted.
    package mutating func countHandshake(of address: NetworkAddress, at now: Instant) -> UInt64 {
        guard rates != nil else { return 0 }
        return rates?.take(address, at: now) ?? 0
    }

    // MARK: Users

    /// Whether the user may have another connection.
    ///
    /// - Parameter elsewhere: those that it has at other processes.
    package func hasPlace(for user: UserID, elsewhere: Int = 0) -> Bool {
        guard let most = limits.connectionsPerUser else { return true }
        return users.count(of: user) + elsewhere < most
    }

    package func connectionCount(of user: UserID) -> Int { users.count(of: user) }

    /// Users with at least so many connections, of a part of the table, and where the next part begins.
    package func busyUsers(
        from position: Int, looks: Int, least: Int
    ) -> (users: [UserCount], next: Int?) {
        var found: [UserCount] = []
        let next = users.forEach(from: position, looks: looks, least: UInt32(clamping: least)) {
            found.append(UserCount($0, $1, asksOthers: true))
        }
        return (found, next)
    }

    /// Counts a connection of the user. Returns whether it was counted: without a limit nobody asks.
    package mutating func addConnection(of user: UserID) -> Bool {
        limits.connectionsPerUser != nil && users.add(user)
    }

    mutating func removeConnection(of user: UserID) {
        users.remove(user)
    }

    // MARK: Nobody's

    package var hasPlaceForUnauthenticated: Bool {
        guard let most = limits.unauthenticatedConnections else { return true }
        return unauthenticatedCount < most
    }

    mutating func addUnauthenticated() {
        unauthenticatedCount += 1
    }

    mutating func removeUnauthenticated() {
        precondition(unauthenticatedCount > 0)
        unauthenticatedCount -= 1
    }
}
