internal import Gateway
internal import Reactor

extension Receiver {
    // MARK: Opening

    /// Begins to open as many connections as the window allows.
    mutating func openMore() throws {
        while wanted > 0 && opening < settings.window {
            wanted -= 1
            let index = used
            used += 1
            var connection = Connection()
            connection.isStable = wantsStable
            connection.project = UInt32(settings.firstProject + nextProject)
            nextProject = (nextProject + 1) % settings.projectCount
            if !wantsStable { unstable.append(index) }
            try begin(index, connection)
        }
    }

    private mutating func begin(_ index: UInt32, _ old: Connection) throws {
        var connection = old
        connection.order = OrderCheck(expectingFrom: connection.isStable ? 1 : 0)
        connection.decoder = FrameDecoder()
        connection.began = now()
        connection.attempts += 1
        connection.phase = .connecting
        connection.descriptor = try OutboundSocket.connect(
            to: settings.target.address, from: settings.source)
        try poller.add(connection.descriptor, handle: handle(of: index), interest: .write)
        connections[index] = connection
        opening += 1
    }

    private mutating func connected(_ index: UInt32) throws {
        let descriptor = connections[index].descriptor
        guard OutboundSocket.failure(of: descriptor) == nil else {
            try openingFailed(index)
            return
        }
        guard secure == nil else {
            try beginSecuring(index)
            return
        }
        try sendRequest(index)
        try poller.modify(descriptor, handle: handle(of: index), interest: .read)
    }

    mutating func sendRequest(_ index: UInt32) throws {
        request.removeAll()
        let number = Int(settings.source.low & 0xFFFF) << 24 | Int(index)
        try settings.target.writeRequest(
            client: number, project: connections[index].project, into: &request)
        let descriptor = connections[index].descriptor
        let isSent = Self.send(request, of: index, to: descriptor, through: &secure)
        guard isSent else {
            try openingFailed(index)
            return
        }
        connections[index].phase = .awaitingAnswer
    }

    /// Returns whether the connection is open now.
    private mutating func takeAnswer(_ index: UInt32) throws -> Bool {
        var bytes = area.bytes
        let answer = unsafe bytes.span.withUnsafeBufferPointer { unsafe [UInt8]($0) }
        bytes = MutableSpan()
        guard let end = Self.firstRange(of: Array("\r\n\r\n".utf8), in: answer) else {
            inbox.leftovers[index] = answer
            if answer.count > 8_192 { try openingFailed(index) }
            return false
        }
        let head = answer[..<end]
        let isAccepted =
            head.starts(with: Array("HTTP/1.1 101".utf8))
            && Self.firstRange(of: acceptValue, in: Array(head)) != nil
        guard isAccepted else {
            try openingFailed(index)
            return false
        }
        opening -= 1
        open += 1
        connections[index].phase = .open
        connections[index].attempts = 0
        if connections[index].isStable {
            inbox.audience[Int(connections[index].project)] += 1
        }
        let time = now()
        inbox.handshake.record(time - connections[index].began)
        // Frames may stand behind the head already.
        area.begin(with: Array(answer[end...]).span)
        let stays = inbox.read(&area, of: index, &connections[index], at: time)
        reportIfConnected()
        return stays
    }

    mutating func openingFailed(_ index: UInt32) throws {
        ClientSocket.close(connections[index].descriptor)
        forget(index)
        opening -= 1
        if connections[index].attempts < settings.attemptsMax {
            try begin(index, connections[index])
            return
        }
        connections[index].phase = .closed
        failed += 1
        inbox.count(.connectFailures)
        reportIfConnected()
    }

    mutating func reportIfConnected() {
        let isDone = wanted == 0 && opening == 0
        let time = now()
        guard isDone || time - lastProgress > 100_000_000 else { return }
        lastProgress = time
        channel.send(Record(isDone ? .connected : .progress, UInt64(open), UInt64(failed)))
    }

    // MARK: Reading

    // Hot path.
    mutating func take(_ index: UInt32, _ readiness: Readiness) {
        do {
            switch connections[index].phase {
            case .open: read(index, readiness)
            case .connecting: try connected(index)
            case .securing: try secureFurther(index)
            case .awaitingAnswer: try takeAnswerBytes(index)
            case .none, .closed: break
            }
        } catch {
            // Out of descriptors or ports: the conductor sees that connections are missing.
            failed += 1
            inbox.count(.connectFailures)
            reportIfConnected()
        }
    }

    // Hot path.
    private mutating func read(_ index: UInt32, _ readiness: Readiness) {
        if connections[index].isPaused && !readiness.isReadable { return }
        restoreLeftover(of: index)
        switch receive(index) {
        case .bytes:
            let stays = inbox.read(&area, of: index, &connections[index], at: now())
            if inbox.answer.count > 0 {
                // A pong that doesn't fit isn't worth a queue: the next ping comes.
                _ = Self.send(
                    inbox.answer, of: index, to: connections[index].descriptor, through: &secure)
                inbox.answer.removeAll()
            }
            if !stays { ended(index) }
        case .wouldBlock: break
        case .endOfStream, .failed: ended(index)
        }
    }

    mutating func takeAnswerBytes(_ index: UInt32) throws {
        restoreLeftover(of: index)
        switch receive(index) {
        case .bytes:
            let isOpen = try takeAnswer(index)
            if !isOpen && connections[index].phase == .open { ended(index) }
        case .wouldBlock: break
        case .endOfStream, .failed: try openingFailed(index)
        }
    }

    /// What is kept beside the connection's record.
    private mutating func forget(_ index: UInt32) {
        inbox.forget(index)
        secure?.sessions.remove(index)
    }

    private mutating func restoreLeftover(of index: UInt32) {
        if !inbox.leftovers.isEmpty, let leftover = inbox.leftovers.removeValue(forKey: index) {
            area.begin(with: leftover.span)
        } else {
            area.begin()
        }
    }

    /// The time of sending is the ping's payload.
    mutating func sendPing() {
        guard used > 0, connections[0].phase == .open else { return }
        var bytes = ByteBuffer(capacity: 32)
        var payload = InlineArray<8, UInt8>(repeating: 0)
        let time = now()
        for index in 0..<8 {
            payload[index] = UInt8(truncatingIfNeeded: time >> UInt64(index * 8))
        }
        FrameEncoder.writeMasked(payload.span, opcode: .ping, key: 0x5A5A_A5A5, into: &bytes)
        // Where it fails the round trip isn't counted.
        _ = Self.send(bytes, of: 0, to: connections[0].descriptor, through: &secure)
    }

    /// The server has ended it.
    private mutating func ended(_ index: UInt32) {
        ClientSocket.close(connections[index].descriptor)
        forget(index)
        connections[index].phase = .closed
        open -= 1
        inbox.count(.disconnects)
        if connections[index].isStable && !connections[index].isPaused {
            inbox.audience[Int(connections[index].project)] -= 1
        }
    }

    // MARK: Churn

    /// Resets the connections whose turn it is, and opens them again.
    mutating func runChurn() throws {
        guard !unstable.isEmpty else { return }
        for _ in 0..<churn.due(at: now()) {
            let index = unstable[churn.cursor % unstable.count]
            churn.cursor += 1
            // One that is still being opened is left alone.
            guard connections[index].phase == .open || connections[index].phase == .closed
            else { continue }
            if connections[index].phase == .open {
                OutboundSocket.reset(connections[index].descriptor)
                open -= 1
            }
            forget(index)
            inbox.count(.reconnects)
            connections[index].attempts = 0
            try begin(index, connections[index])
        }
    }

    private static func firstRange(of pattern: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        for start in 0...(bytes.count - pattern.count)
        where bytes[start..<start + pattern.count].elementsEqual(pattern) {
            return start + pattern.count
        }
        return nil
    }
}

/// When the next connection is to be reset.
struct Churn {
    private var perSecond = 0
    private var began: UInt64 = 0
    private var made = 0
    /// Counts the connections that had their turn.
    var cursor = 0

    mutating func start(perSecond: Int, at now: UInt64) {
        self.perSecond = perSecond
        began = now
        made = 0
    }

    /// Resets to make at `now`; a burst is bounded, so that reading goes on.
    mutating func due(at now: UInt64) -> Int {
        guard perSecond > 0 else { return 0 }
        let total = Int(Double(now - began) / 1e9 * Double(perSecond))
        let count = min(64, total - made)
        made += count
        return count
    }

    func patience(at now: UInt64) -> UInt64? {
        perSecond > 0 ? max(1_000_000, 1_000_000_000 / UInt64(perSecond)) : nil
    }
}
