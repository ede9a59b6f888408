internal import Reactor

/// One end of a link between the leader and a follower: the socket, what has come of a frame, and what waits to
/// be sent.
struct SessionLink: ~Copyable {
    private let owned: OwnedDescriptor
    private var received = ByteBuffer()
    /// How much of that is read.
    private var position = 0
    var outgoing = ByteBuffer()
    private var sent = 0
    /// Whether epoll watches for room.
    var isBlocked = false
    /// Whether the other's first frame has come.
    private(set) var isGreeted = false

    init(_ owned: consuming OwnedDescriptor) {
        self.owned = owned
        SessionFrame.writeHello(into: &outgoing)
    }

    var descriptor: Int32 { owned.raw }
    var waitingBytes: Int { outgoing.count - sent }

    enum Outcome {
        case open
        /// The other end is closed, or has sent what no end of ours sends.
        case over
    }

    // MARK: Receiving

    /// Takes from the socket what has arrived, within the turn's budget. Returns how much that is, and whether the
    /// link goes on.
    mutating func receive(by area: inout ReceiveArea) -> (count: Int, outcome: Outcome) {
        compact()
        var total = 0
        while total < DatabaseLimits.linkBytesPerTurn {
            area.begin()
            switch area.receive(from: descriptor) {
            case .bytes(let count):
                total += count
                let bytes = area.bytes
                received.append(bytes.span)
            case .wouldBlock: return (total, .open)
            case .endOfStream, .failed: return (total, .over)
            }
        }
        return (total, .open)
    }

    private mutating func compact() {
        guard position > 0 else { return }
        received.removeFirst(position)
        position = 0
    }

    /// The next whole frame behind the greeting, which is taken by `finish`.
    mutating func next() -> SessionFrame.Next {
        let next = SessionFrame.next(in: received, at: position)
        guard case .frame(let place) = next, !isGreeted else { return next }
        guard place.kind == .hello, SessionFrame.isOurs(received.bytes.extracting(place.body))
        else { return .malformed }
        isGreeted = true
        finish(place)
        return self.next()
    }

    /// The frame is read.
    mutating func finish(_ place: SessionFrame.Place) { position = place.body.upperBound }

    /// Whether a whole frame has come and isn't read.
    var hasUnread: Bool {
        if case .incomplete = SessionFrame.next(in: received, at: position) { false } else { true }
    }

    // MARK: What frames have, or `nil` and false where they aren't well-formed

    func status(in place: SessionFrame.Place) -> SessionStatus? {
        SessionStatus(received.bytes.extracting(place.body))
    }

    func tables(in place: SessionFrame.Place) -> RelayedTables? {
        RelayedTables(received.bytes.extracting(place.body))
    }

    func state(in place: SessionFrame.Place) -> PostgresRows? {
        SessionFrame.state(received.bytes.extracting(place.body))
    }

    func answer(in place: SessionFrame.Place) -> QueryAnswer? {
        SessionFrame.answer(received.bytes.extracting(place.body))
    }

    func move(_ place: SessionFrame.Place, to heard: inout HeardNotifications) -> Bool {
        heard.append(received.bytes.extracting(place.body))
    }

    func move(
        _ place: SessionFrame.Place, to questions: inout WaitingQuestions,
        checkedIn parameters: inout QueryParameters
    ) -> Bool {
        questions.append(received.bytes.extracting(place.body), checkedIn: &parameters)
    }

    // MARK: Sending

    /// Hands to the kernel what waits, as far as it takes it.
    mutating func send() -> Outcome {
        guard waitingBytes > 0 else { return .open }
        let descriptor = descriptor
        switch ClientSocket.send(outgoing.bytes.extracting(sent..<outgoing.count), to: descriptor) {
        case .sent(let count): sent += count
        case .wouldBlock: break
        case .failed: return .over
        }
        if sent == outgoing.count {
            outgoing.removeAll()
            sent = 0
        } else if sent >= DatabaseLimits.linkBytesPerTurn {
            outgoing.removeFirst(sent)
            sent = 0
        }
        return .open
    }
}
