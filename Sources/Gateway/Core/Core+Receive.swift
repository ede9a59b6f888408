package import Reactor

// Bytes in.
extension Core {
    /// Copies what the client left over the last time to the front of `area`.
    package func restoreLeftover(of index: ClientIndex, to area: inout ReceiveArea) {
        let leftover = clients[index].leftover
        if leftover == .none {
            area.begin()
        } else {
            area.begin(with: segments.bytes(of: leftover))
        }
    }

    // Hot path.
    /// Takes in the client's bytes: what it had left over, and `received` new ones behind.
    package mutating func receive(
        _ bytes: inout MutableSpan<UInt8>, received: Int, from index: ClientIndex
    ) {
        metrics.receivedBytes &+= UInt64(received)
        refillAllowance(of: index)
        clients[index].heardTick = nowTick
        forgetLeftover(of: index)
        var position = 0
        // Each round takes something in or ends the loop: a request or a frame at a time.
        while position < bytes.count {
            if clients[index].flags.contains(.awaitsMembership) {
                hold(bytes.span, from: position, of: index)
                return
            }
            switch clients[index].phase {
            case .proxyHeader:
                preconditionFailure("what comes before a PROXY header was taken for a request")
            case .request:
                guard takeRequest(of: bytes.span, at: &position, from: index) else {
                    keepLeftover(bytes.span, from: position, of: index)
                    return
                }
            case .awaitingInit, .open, .closing:
                guard takeFrame(of: &bytes, at: &position, from: index) else {
                    keepLeftover(bytes.span, from: position, of: index)
                    return
                }
            case .draining, .flushing, .gone:
                return  // Nothing that still comes is of interest.
            }
        }
    }

    /// The peer has ended its direction.
    ///
    /// - Parameter keepsMore: whether something waits for the client besides its queue.
    package mutating func receiveEnded(from index: ClientIndex, keepsMore: Bool = false) {
        switch clients[index].phase {
        case .request, .flushing:
            // A client may send its request, end its direction, and wait for the answer.
            clients[index].flags.insert(.readEnded)
            guard !clients[index].queue.isEmpty || keepsMore else {
                finish(index)
                return
            }
            if clients[index].flags.contains(.awaitsMembership) { endWaiting(index) }
            clients[index].phase = .flushing
            noteInterest(of: index)
        case .proxyHeader, .awaitingInit, .open, .closing, .draining:
            finish(index)
        case .gone:
            break
        }
    }

    /// The connection failed: a reset, or a send or receive that can't succeed any more.
    package mutating func connectionFailed(_ index: ClientIndex) {
        finish(index)
    }

    /// The client's leftover is taken in, or of no interest any more.
    mutating func forgetLeftover(of index: ClientIndex) {
        let leftover = clients[index].leftover
        guard leftover != .none else { return }
        if clients[index].flags.contains(.awaitsMembership) {
            heldBytes -= segments.count(of: leftover)
        }
        segments.release(leftover)
        clients[index].leftover = .none
    }

    /// Keeps what a client has sent behind a message that waits for an answer.
    private mutating func hold(
        _ bytes: borrowing Span<UInt8>, from position: Int, of index: ClientIndex
    ) {
        let count = bytes.count - position
        guard heldBytes + count <= Limits.heldBytesMax else {
            cannotHold(index)
            return
        }
        heldBytes += count
        keepLeftover(bytes, from: position, of: index)
    }

    mutating func keepLeftover(
        _ bytes: borrowing Span<UInt8>, from position: Int, of index: ClientIndex
    ) {
        guard position < bytes.count, clients[index].phase != .gone else { return }
        let segment = segments.make(capacity: bytes.count - position)
        segments.append(bytes.extracting(position..<bytes.count), to: segment)
        clients[index].leftover = segment
    }
}
