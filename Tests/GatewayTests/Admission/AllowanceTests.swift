import Gateway
import Reactor
import Testing

/// What a connection may do, and what it is counted in.
@Suite struct AllowanceBehaviour {
    private static let address = NetworkAddress(SocketAddress(high: 1, low: 0, port: 0))
    private static let user = UserID(high: 9, low: 1)

    private static func admission(
        messages: Int? = nil, errors: Int? = nil, perAddress: Int? = nil, perUser: Int? = nil,
        handshakes: Int? = nil
    ) -> Admission {
        var limits = AdmissionLimits()
        limits.messagesPerSecond = messages
        limits.errorsPerMinute = errors
        limits.connectionsPerAddress = perAddress
        limits.connectionsPerUser = perUser
        limits.handshakesPerSecond = handshakes
        limits.unauthenticatedConnections = 2
        return Admission(limits, connectionsMax: 100, seed: 1)
    }

    /// Messages that may be sent at once.
    private static func takeAll(
        _ admission: borrowing Admission, _ allowance: inout ClientAllowance
    ) -> Int {
        var count = 0
        while count < 100_000, admission.countMessage(&allowance) { count += 1 }
        return count
    }

    // MARK: Messages

    @Test(arguments: [1, 50, 1_000])
    func `a client may send its burst at once, and then what time brings`(rate: Int) {
        let admission = Self.admission(messages: rate)
        var allowance = ClientAllowance()
        admission.fill(&allowance)
        let burst = Self.takeAll(admission, &allowance)
        #expect(burst == rate * Limits.messageBurstSeconds)
        // 1,000 seconds are 7,812 ticks and a half.
        var taken = 0
        for tick in 10_000..<UInt32(17_812) {
            admission.refill(&allowance, since: tick, at: tick + 1)
            taken += Self.takeAll(admission, &allowance)
        }
        #expect(abs(taken - rate * 1_000) <= 1)
        admission.refill(&allowance, since: 20_000, at: 2_000_000)
        let full = Self.takeAll(admission, &allowance)
        #expect(full == burst, "no more than the burst is kept")
    }

    @Test func `no time brings nothing`() {
        let admission = Self.admission(messages: 50, errors: 30)
        var allowance = ClientAllowance()
        for earlier in [1_000, 1_001] as [UInt32] {
            admission.refill(&allowance, since: earlier, at: 1_000)
        }
        #expect(allowance.messages == 0 && allowance.errors == 0)
        let mayMessage = admission.countMessage(&allowance)
        #expect(!mayMessage)
        #expect(allowance.messages == 0)
    }

    @Test func `without a rule nothing is counted`() {
        let admission = Self.admission()
        var allowance = ClientAllowance()
        admission.fill(&allowance)
        admission.refill(&allowance, since: 0, at: 1_000_000)
        let mayMessage = admission.countMessage(&allowance)
        let mayErr = admission.countError(&allowance)
        #expect(mayMessage && mayErr)
        #expect(allowance.messages == 0 && allowance.errors == 0)
    }

    @Test(arguments: [1, 2, 30, 255])
    func `the last error that is allowed is the end`(errors: Int) {
        let admission = Self.admission(errors: errors)
        var allowance = ClientAllowance()
        admission.fill(&allowance)
        for _ in 1..<errors {
            let goesOn = admission.countError(&allowance)
            #expect(goesOn)
        }
        let goesOn = admission.countError(&allowance)
        let goesOnThen = admission.countError(&allowance)
        #expect(!goesOn && !goesOnThen)
        // A minute, in ticks of an eighth of a second.
        admission.refill(&allowance, since: 1_000, at: 1_470)
        #expect(Int(allowance.errors) == errors)
    }

    @Test func `an allowance that is too large for its field is cut, and doesn't wrap`() {
        let admission = Self.admission(messages: 1_000_000, errors: 1_000)
        var allowance = ClientAllowance()
        admission.fill(&allowance)
        #expect(allowance.messages == .max && allowance.errors == .max)
        admission.refill(&allowance, since: 0, at: .max)
        #expect(allowance.messages == .max && allowance.errors == .max)
    }

    // MARK: Counts

    private enum Step: CaseIterable {
        case address, endAddress, unauthenticated, user, endUser, end
    }

    private static func take(
        _ step: Step, _ admission: inout Admission, _ allowance: inout ClientAllowance
    ) {
        switch step {
        case .address: _ = admission.countForAddress(address, &allowance)
        case .endAddress: admission.endCountForAddress(address, &allowance)
        case .unauthenticated: admission.countAsUnauthenticated(&allowance)
        case .user: admission.countForUser(user, &allowance)
        case .endUser: admission.endCountForUser(user, &allowance)
        case .end: admission.endCounts(address, user, &allowance)
        }
    }

    /// A step that came twice was counted twice, and taken off once.
    @Test(arguments: [true, false])
    func `whatever the order, what is counted is taken off once`(hasLimits: Bool) {
        var random = WebSocketTesting.Random.seeded(for: "counts")
        for _ in 0..<3_000 {
            var admission =
                hasLimits
                ? Self.admission(perAddress: 2, perUser: 2) : Self.admission()
            var allowances = [ClientAllowance](repeating: ClientAllowance(), count: 3)
            for _ in 0..<30 {
                let client = random.below(allowances.count)
                let step = Step.allCases[random.below(Step.allCases.count)]
                Self.take(step, &admission, &allowances[client])
                let unauthenticated = allowances.count {
                    $0.marks.contains(.countedAsUnauthenticated)
                }
                #expect(admission.unauthenticatedCount == unauthenticated)
                let isOfAddress = allowances.contains { $0.marks.contains(.countedForAddress) }
                let isOfUser = allowances.contains { $0.marks.contains(.countedForUser) }
                #expect(admission.addressCount == (isOfAddress && hasLimits ? 1 : 0))
                #expect(admission.userCount == (isOfUser ? 1 : 0))
                #expect(hasLimits || !isOfUser)
            }
            for client in allowances.indices {
                Self.take(.end, &admission, &allowances[client])
                #expect(allowances[client].marks == [])
            }
            #expect(admission.addressCount == 0 && admission.userCount == 0)
            #expect(admission.unauthenticatedCount == 0)
        }
    }

    @Test func `those beyond an address's limit are told so, up to a bound`() {
        var admission = Self.admission(perAddress: 3)
        var allowances: [ClientAllowance] = []
        for number in 0..<3 + Limits.refusalsPerAddressMax {
            var allowance = ClientAllowance()
            let stays = admission.countForAddress(Self.address, &allowance)
            #expect(stays)
            #expect(allowance.marks.contains(.isOverAddressLimit) == (number >= 3))
            allowances.append(allowance)
        }
        var dropped = ClientAllowance()
        let stays = admission.countForAddress(Self.address, &dropped)
        #expect(!stays)
        #expect(dropped.marks == [])
        for position in allowances.indices {
            admission.endCounts(Self.address, Self.user, &allowances[position])
        }
        #expect(admission.addressCount == 0)
    }

    @Test func `a user has so many places and no more`() {
        var admission = Self.admission(perUser: 2)
        var allowances = [ClientAllowance](repeating: ClientAllowance(), count: 2)
        for position in allowances.indices {
            let hasPlace = admission.hasPlace(for: Self.user)
            #expect(hasPlace)
            admission.countForUser(Self.user, &allowances[position])
            admission.countForUser(Self.user, &allowances[position])
        }
        let hasPlaceThen = admission.hasPlace(for: Self.user)
        #expect(!hasPlaceThen)
        let hasPlaceAgain = admission.hasPlace(for: UserID(high: 9, low: 2))
        #expect(hasPlaceAgain)
        admission.endCountForUser(Self.user, &allowances[0])
        let hasPlaceLater = admission.hasPlace(for: Self.user)
        #expect(hasPlaceLater)
    }

    @Test func `who says who it is makes a place for the next who doesn't`() {
        var admission = Self.admission()
        var allowances = [ClientAllowance](repeating: ClientAllowance(), count: 2)
        for position in allowances.indices {
            let hasPlaceForUnauthenticated = admission.hasPlaceForUnauthenticated
            #expect(hasPlaceForUnauthenticated)
            admission.countAsUnauthenticated(&allowances[position])
        }
        let hasPlaceForUnauthenticatedThen = admission.hasPlaceForUnauthenticated
        #expect(!hasPlaceForUnauthenticatedThen)
        admission.countForUser(Self.user, &allowances[0])
        let hasPlaceForUnauthenticatedAgain = admission.hasPlaceForUnauthenticated
        #expect(hasPlaceForUnauthenticatedAgain)
    }

    @Test func `handshakes of an address have a rate, and none without a limit`() {
        let now = Instant(nanoseconds: 1_000_000_000_000)
        var limited = Self.admission(handshakes: 5)
        var taken = 0
        while limited.countHandshake(of: Self.address, at: now) == 0 { taken += 1 }
        #expect(taken == 5 * Limits.handshakeBurstSeconds)
        var free = Self.admission()
        for _ in 0..<1_000 {
            let wait = free.countHandshake(of: Self.address, at: now)
            #expect(wait == 0)
        }
    }

    @Test func `users have buckets of their own, each with all of its bits`() {
        var rates = TokenBuckets<UserID>(perSecond: 10, burst: 3, seed: 1)
        let now = Instant(nanoseconds: 1_000_000_000_000)
        let users = [
            UserID(high: 1, low: 2), UserID(high: 2, low: 1), UserID(high: 0, low: 0),
            UserID(high: 1, low: 3), UserID(high: 3, low: 2),
        ]
        for user in users {
            for _ in 0..<3 {
                let wait = rates.take(user, at: now)
                #expect(wait == 0)
            }
            let wait = rates.take(user, at: now)
            #expect(wait == 100_000_000)
        }
    }
}
