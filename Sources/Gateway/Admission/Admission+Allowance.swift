package import Reactor

// What one WebSocket may do: messages in a second, errors in a minute. What is left to it stands in its
// record.
extension Admission {
    // Hot path.
    /// Hands out what time has brought since `earlier`, when the client was last heard of.
    package func refill(_ allowance: inout ClientAllowance, since earlier: UInt32, at tick: UInt32)
    {
        guard earlier < tick else { return }
        if let messages {
            allowance.messages = messages.tokens(left: allowance.messages, since: earlier, at: tick)
        }
        if let errors {
            let left = UInt16(allowance.errors)
            let tokens = errors.tokens(left: left, since: earlier, at: tick)
            allowance.errors = UInt8(clamping: tokens)
        }
    }

    /// A WebSocket that has yet to say who it is may send a handful of messages, and time brings no more.
    package func fillForStranger(_ allowance: inout ClientAllowance) {
        allowance.messages = UInt16(Limits.strangerMessagesMax)
        allowance.errors = UInt8(clamping: errors?.burst ?? 0)
    }

    /// Whether one that has yet to say who it is may send a message now; then it is counted.
    package func countStrangerMessage(_ allowance: inout ClientAllowance) -> Bool {
        guard allowance.messages > 0 else { return false }
        allowance.messages -= 1
        return true
    }

    /// A WebSocket with a user begins with everything that it may have.
    package func fill(_ allowance: inout ClientAllowance) {
        allowance.messages = messages?.burst ?? 0
        allowance.errors = UInt8(clamping: errors?.burst ?? 0)
    }

    // Hot path.
    /// Whether the client may send a message, or a ping, now; then it is counted.
    package func countMessage(_ allowance: inout ClientAllowance) -> Bool {
        guard messages != nil else { return true }
        guard allowance.messages > 0 else { return false }
        allowance.messages -= 1
        return true
    }

    /// Counts an error that the client was notified of. Returns whether it may go on.
    package func countError(_ allowance: inout ClientAllowance) -> Bool {
        guard errors != nil else { return true }
        if allowance.errors > 0 { allowance.errors -= 1 }
        return allowance.errors > 0
    }
}

// What a connection is counted in. Its marks say it, so that it is taken off once.
extension Admission {
    /// Counts a connection whose address is known; a second time changes nothing. Returns whether it
    /// may stay.
    package mutating func countForAddress(
        _ peer: NetworkAddress, _ allowance: inout ClientAllowance
    ) -> Bool {
        guard !allowance.marks.contains(.countedForAddress) else { return true }
        switch addConnection(of: peer) {
        case .admitted: allowance.marks.insert(.countedForAddress)
        case .overLimit: allowance.marks.insert([.countedForAddress, .isOverAddressLimit])
        case .dropped: return false
        }
        return true
    }

    /// The connection is no longer its address's.
    package mutating func endCountForAddress(
        _ peer: NetworkAddress, _ allowance: inout ClientAllowance
    ) {
        allowance.marks.remove(.isOverAddressLimit)
        guard allowance.marks.remove(.countedForAddress) != nil else { return }
        removeConnection(of: peer)
    }

    /// The WebSocket has yet to say who it is; a second time changes nothing.
    package mutating func countAsUnauthenticated(_ allowance: inout ClientAllowance) {
        guard allowance.marks.insert(.countedAsUnauthenticated).inserted else { return }
        addUnauthenticated()
    }

    /// The connection is its user's from here on; a second time changes nothing.
    package mutating func countForUser(_ user: UserID, _ allowance: inout ClientAllowance) {
        if allowance.marks.remove(.countedAsUnauthenticated) != nil { removeUnauthenticated() }
        guard !allowance.marks.contains(.countedForUser), addConnection(of: user) else { return }
        allowance.marks.insert(.countedForUser)
    }

    /// The connection is no longer its user's.
    package mutating func endCountForUser(_ user: UserID, _ allowance: inout ClientAllowance) {
        guard allowance.marks.remove(.countedForUser) != nil else { return }
        removeConnection(of: user)
    }

    /// The connection is over.
    package mutating func endCounts(
        _ peer: NetworkAddress, _ user: UserID, _ allowance: inout ClientAllowance
    ) {
        endCountForAddress(peer, &allowance)
        endCountForUser(user, &allowance)
        if allowance.marks.remove(.countedAsUnauthenticated) != nil { removeUnauthenticated() }
        allowance.marks = []
    }
}
