internal import Gateway
internal import Reactor

/// The clients' side of TLS.
struct SecureSide: ~Copyable {
    let context: TLSContext
    var sessions: TLSSessionTable

    init(capacity: Int) throws(TLSSetupFailure) {
        let context = try TLSContext.trustingClient()
        sessions = try TLSSessionTable(capacity: capacity)
        self.context = context
    }

    mutating func connect(_ index: UInt32) throws(TLSSetupFailure) {
        try sessions.connect(index, context)
    }

    mutating func seal(_ bytes: borrowing ByteBuffer, for index: UInt32) -> Bool {
        sessions.seal(bytes.bytes, for: index)
    }

    /// Sends what a session has written. A load generator has no queues: it is all or nothing.
    mutating func sendOutput(to descriptor: Int32) -> Bool {
        let count = sessions.outputCount
        guard count > 0 else { return true }
        let result = ClientSocket.send(sessions.output, to: descriptor)
        sessions.truncateOutput(to: 0)
        return result == .sent(count)
    }
}

// Connections through TLS, and those without it by the same calls.
extension Receiver {
    mutating func beginSecuring(_ index: UInt32) throws {
        try secure?.connect(index)
        connections[index].phase = .securing
        try poller.modify(
            connections[index].descriptor, handle: handle(of: index), interest: .read)
        try shakeHands(index)
    }

    mutating func secureFurther(_ index: UInt32) throws {
        let descriptor = connections[index].descriptor
        let received = secure?.sessions.receive(from: descriptor)
        switch received {
        case .bytes: try shakeHands(index)
        case .wouldBlock: break
        case .endOfStream, .failed, nil: try openingFailed(index)
        }
    }

    private mutating func shakeHands(_ index: UInt32) throws {
        let result = secure?.sessions.handshake(index)
        let descriptor = connections[index].descriptor
        let isSent = secure?.sendOutput(to: descriptor) ?? false
        guard isSent else {
            try openingFailed(index)
            return
        }
        switch result {
        case .established: try sendRequest(index)
        case .needsMore: break
        case .failed, nil: try openingFailed(index)
        }
    }

    /// The bytes may be the receiver's own, so what they go through is passed beside them.
    static func send(
        _ bytes: borrowing ByteBuffer, of index: UInt32, to descriptor: Int32,
        through secure: inout SecureSide?
    ) -> Bool {
        guard secure != nil else {
            return ClientSocket.send(bytes.bytes, to: descriptor) == .sent(bytes.count)
        }
        let isSealed = secure?.seal(bytes, for: index) ?? false
        let isSent = secure?.sendOutput(to: descriptor) ?? false
        return isSealed && isSent
    }

    // Hot path.
    /// One receive into the area; of a TLS connection everything that it decrypts to.
    mutating func receive(_ index: UInt32) -> ReceiveResult {
        let descriptor = connections[index].descriptor
        guard secure != nil else { return area.receive(from: descriptor) }
        let received = secure?.sessions.receive(from: descriptor) ?? .endOfStream
        guard case .bytes = received else { return received }
        var count = 0
        while true {
            switch secure?.sessions.read(index, into: &area) {
            case .bytes(let more): count += more
            case .control: continue
            case .needsMore: return count > 0 ? .bytes(count) : .wouldBlock
            case .endOfStream, .failed, nil: return count > 0 ? .bytes(count) : .endOfStream
            }
        }
    }
}
