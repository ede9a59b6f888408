internal import Reactor

// The limits on what a WebSocket may do: messages in a second, errors in a minute.
extension Core {
    // Hot path.
    /// Hands out what time has brought since the client was last heard of; before that is noted.
    mutating func refillAllowance(of index: ClientIndex) {
        let earlier = clients[index].heardTick
        guard earlier < nowTick else { return }
        if let rule = admission.messages {
            let left = clients[index].allowance.messages
            clients[index].allowance.messages = rule.tokens(
                left: left, since: earlier, at: nowTick)
        }
        if let rule = admission.errors {
            let left = UInt16(clients[index].allowance.errors)
            let tokens = rule.tokens(left: left, since: earlier, at: nowTick)
            clients[index].allowance.errors = UInt8(clamping: tokens)
        }
    }

    /// A WebSocket begins with everything that it may have.
    mutating func fillAllowance(of index: ClientIndex) {
        clients[index].allowance.messages = admission.messages?.burst ?? 0
        clients[index].allowance.errors = UInt8(clamping: admission.errors?.burst ?? 0)
    }

    // Hot path.
    /// Takes one message, or one ping, off the client's allowance. One that has none left is
    /// closed. Returns whether the message is to be looked at.
    mutating func takesMessage(from index: ClientIndex) -> Bool {
        guard admission.messages != nil else { return true }
        guard clients[index].allowance.messages > 0 else {
            closeForAWhile(
                index, .messageRate, because: .messageRate,
                milliseconds: Limits.rateRetryMilliseconds)
            return false
        }
        clients[index].allowance.messages -= 1
        return true
    }

    /// Takes an error that the client was told off its allowance; after the last one it is closed.
    /// What isn't the client's doing costs it nothing.
    mutating func noteError(_ code: ErrorCode, of index: ClientIndex) {
        guard admission.errors != nil, code.isClientsFault else { return }
        if clients[index].allowance.errors > 0 { clients[index].allowance.errors -= 1 }
        guard clients[index].allowance.errors == 0, clients[index].takesMessages else { return }
        closeForAWhile(
            index, .messageRate, because: .errorRate,
            milliseconds: Limits.rateRetryMilliseconds)
    }

    /// Closes with `{"retry_after_ms":N}` as the reason, behind what waits.
    mutating func closeForAWhile(
        _ index: ClientIndex, _ code: CloseCode, because limit: LimitLabel, milliseconds: UInt32
    ) {
        guard clients[index].takesMessages else { return }
        metrics.limitsReached[limit] += 1
        let peer = clients[index].peer
        log.limitReached(
            limit, connection: connectionNumber(of: index), address: peer.description, at: now)
        text.removeAll()
        text.append(#"{"retry_after_ms":"#)
        text.append(decimal: UInt64(milliseconds))
        text.append("}")
        frame.removeAll()
        FrameEncoder.writeClose(code, reason: text, into: &frame)
        closeWithFrame(index, code, keepsQueue: true)
    }
}

extension ErrorCode {
    /// Whether a client that behaves never gets it.
    fileprivate var isClientsFault: Bool {
        switch self {
        case .badMessage, .unknownType, .invalidProject, .invalidCursor, .badToken,
            .notAuthenticated, .forbidden, .notSubscribed, .tooManyProjects:
            true
        case .membershipRevoked, .projectDeleted, .unavailable: false
        }
    }
}
