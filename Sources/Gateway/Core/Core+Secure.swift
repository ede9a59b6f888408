package import Reactor

// What the core decides about clients that speak TLS. Their bytes come and go decrypted; that they
// are encrypted on the way it needs to know only where one waits for the other.
extension Core {
    /// From here on the client's bytes are ciphertext.
    package mutating func speaksTLS(_ index: ClientIndex) {
        clients[index].flags.insert(.tls)
    }

    // MARK: Sending

    /// Copies as much as a record takes of what waits for the client. Returns how many bytes; `nil`
    /// for none.
    package mutating func copyWaiting(
        of index: ClientIndex, to record: inout ByteBuffer, bytesMax: Int
    ) -> Int? {
        record.removeAll()
        var node = nodes.first(of: clients[index].queue)
        while node != 0, record.count < bytesMax {
            let piece = nodes.piece(at: node)
            let count = min(Int(piece.end - piece.start), bytesMax - record.count)
            let start = Int(piece.start)
            record.append(segments.bytes(of: piece.segment).extracting(start..<start + count))
            node = nodes.next(after: node)
        }
        return record.count > 0 ? record.count : nil
    }

    /// Reports that the first `count` bytes of what waits were encrypted: they count as sent, since
    /// there is no way back.
    package mutating func sealed(_ count: Int, of index: ClientIndex) {
        take(count, of: index)
    }

    /// The socket took ciphertext that had waited.
    package mutating func madeProgress(_ index: ClientIndex) {
        clients[index].progressTick = nowTick
    }

    /// The socket didn't take all of a record that it was offered for the first time: until it has,
    /// nothing else is encrypted for the client.
    package mutating func recordWaits(for index: ClientIndex) {
        clients[index].progressTick = nowTick
        block(index)
    }

    /// Whether our direction ends once everything has been sent: then TLS wants its close_notify.
    package func saysNothingMore(_ index: ClientIndex) -> Bool {
        guard clients[index].queue.isEmpty else { return false }
        switch clients[index].phase {
        case .flushing, .draining: return true
        case .proxyHeader, .request, .awaitingInit, .open, .closing, .gone: return false
        }
    }

    // MARK: Ends

    /// The peer's close_notify: it sends nothing more, and awaits ours (RFC 8446 §6.1). What answers
    /// it, such as our Close frame, still goes out; broadcasts don't.
    package mutating func peerEndedSecurely(_ index: ClientIndex) {
        guard clients[index].phase != .gone else { return }
        endMessagesAbruptly(of: index)
        clients[index].phase = .flushing
        clients[index].flags.insert(.readEnded)
        noteInterest(of: index)
        setCloseDeadline(of: index)
        markDirty(index)
    }

    /// The client's TLS session has failed: nothing can be said to it any more but the alert, which
    /// the caller keeps. Nothing that waits may go out: it isn't encrypted.
    package mutating func secureFailed(_ index: ClientIndex) {
        guard clients[index].phase != .gone else { return }
        endMessagesAbruptly(of: index)
        dropQueue(of: index)
        beginDraining(index)
    }

    /// An answer waits for a client whose handshake isn't over, or never will be: its time is up.
    package mutating func endUnsecured(_ index: ClientIndex) {
        guard !clients[index].queue.isEmpty else { return }
        metrics.tls.failures[.abandoned] += 1
        finish(index)
    }

    /// An HTTP request came where TLS is spoken. The answer is the last thing that goes to this client
    /// in the clear, and the first: nothing can have waited for it.
    package mutating func refusePlaintext(_ index: ClientIndex) {
        precondition(clients[index].phase == .request && clients[index].queue.isEmpty)
        clients[index].flags.remove(.tls)
        refuseUnencrypted(index)
    }

    private mutating func endMessagesAbruptly(of index: ClientIndex) {
        // An answer that comes too late must not find a client to open.
        if clients[index].flags.contains(.awaitsMembership) { endWaiting(index) }
        hub.leaveAll(index)
        clients[index].flags.remove(.collapsed)
        trimQueue(of: index, keepsOwn: true)
    }
}

extension Client {
    /// Hot path. Whether a broadcast can be encrypted and sent at once. One that has anything of its
    /// own to send, or a rest of a record, comes later: records have an order.
    var takesBroadcastSealed: Bool {
        queue.isEmpty && flags.contains(.tls)
            && flags.isDisjoint(with: [.collapsed, .blocked, .dirty])
    }
}
