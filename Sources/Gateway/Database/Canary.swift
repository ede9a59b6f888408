package import Reactor

/// The round trip from the query session to the listener, made again and again: what it doesn't
/// bring back isn't listened to, however alive the connection looks.
///
/// It finds a half-open socket, a server that stands still, a pooler in transaction mode, and two
/// sessions that lead to different databases. A value: it says when to send and what a silence
/// means; others do it.
///
/// Each instance sings on a channel of its own, so that no instance wakes another.
package struct Canary: Equatable, Sendable {
    /// What the passing of time asks for.
    package enum Due: Equatable, Sendable {
        case nothing
        /// Notify, then say `sent`.
        case send
        /// The listener hears nothing: lose its connection.
        case silence
    }

    /// How far along what was sent last is.
    private enum Flight: Equatable, Sendable {
        case none
        case sent(Instant)
    }

    /// Its channel: `devhive_canary_` and 16 hexadecimal digits.
    package let channel: String
    /// The number of the last one sent, which is its payload's first word.
    package private(set) var number: UInt64 = 0
    /// When the last one came back; `nil` before the first of this connection.
    package private(set) var heardAt: Instant?
    private var flight = Flight.none
    /// When the oldest that wasn't followed by any sound was sent.
    private var silentSince: Instant?
    /// When to act next; `nil` while the listener isn't live.
    private var next: Instant?

    package init(nonce: UInt64) {
        let digits = String(nonce, radix: 16)
        channel = "devhive_canary_" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// When `due` has to be asked; `nil` while there is nothing to wait for.
    package var deadline: Instant? { next }

    /// Whether the last one came back in time: within an interval and the time that the answer to a
    /// statement may take.
    package func isInTime(_ now: Instant) -> Bool {
        guard next != nil, let heardAt else { return false }
        return now.nanoseconds(since: heardAt)
            <= DatabaseLimits.canaryIntervalNanoseconds + DatabaseLimits.statementNanoseconds
    }

    /// The listener has become live: the first one goes out at once.
    package mutating func begin(_ now: Instant) {
        end()
        next = now
    }

    /// One can be sent again, after a time in which none could.
    package mutating func hurry(_ now: Instant) {
        if next != nil { next = now }
    }

    /// The listener is lost.
    package mutating func end() {
        flight = .none
        silentSince = nil
        heardAt = nil
        next = nil
    }

    package mutating func due(_ now: Instant) -> Due {
        guard let next, next <= now else { return .nothing }
        self.next = now.advanced(byNanoseconds: DatabaseLimits.canaryIntervalNanoseconds)
        let patience =
            DatabaseLimits.canaryIntervalNanoseconds * DatabaseLimits.canariesMissedMax
        if let silentSince, now.nanoseconds(since: silentSince) >= patience { return .silence }
        return .send
    }

    /// One is on its way. Its payload must begin with `number`.
    package mutating func sent(_ now: Instant) {
        number &+= 1  // One every five seconds.
        flight = .sent(now)
        if silentSince == nil { silentSince = now }
    }

    /// What was sent may never have been said: the query session broke, or refused it. That is not
    /// the listener's silence.
    package mutating func forget() {
        flight = .none
        silentSince = nil
    }

    /// One has come back. Returns its time in nanoseconds; `nil` for one that is too late to be
    /// timed, which still shows that the listener hears.
    package mutating func heard(number heard: UInt64, _ now: Instant) -> UInt64? {
        guard next != nil, heard <= number else { return nil }
        heardAt = now
        silentSince = nil
        guard heard == number, case .sent(let began) = flight else { return nil }
        flight = .none
        return now.nanoseconds(since: began)
    }
}

/// What a canary brings back: its number and a cursor.
package struct CanaryPayload: Equatable, BitwiseCopyable, Sendable {
    package let number: UInt64
    /// From where to resume once everything before the canary has been heard.
    package let cursor: Cursor

    /// Reads the payload that `CanaryQuery` sends: two numbers with a space between.
    package init?(_ payload: borrowing Span<UInt8>) {
        guard
            let space = ByteSearch.firstIndex(
                of: UInt8(ascii: " "), in: 0..<payload.count, of: payload),
            let number = Cursor(payload.extracting(0..<space)),
            let cursor = Cursor(payload.extracting((space + 1)..<payload.count))
        else { return nil }
        self.number = number.transaction
        self.cursor = cursor
    }
}
