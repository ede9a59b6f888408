/// Where a connection is in its life.
package enum ClientPhase: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The PROXY header is awaited or being received, which says for whom a load balancer speaks.
    case proxyHeader
    /// An HTTP request is awaited or being received.
    case request
    /// A WebSocket whose user isn't known yet.
    case awaitingInit
    /// A WebSocket with a user.
    case open
    /// Our Close frame is queued or sent; the peer's is awaited.
    case closing
    /// What is queued goes out, and what still arrives is discarded. Closing the socket now would let
    /// the kernel answer unread bytes with a reset, which can overtake our last words.
    case draining
    /// Our direction has ended (FIN); what arrives is discarded until the peer ends its own.
    case finished
    /// What is queued goes out, then the socket is closed: the peer has said all that it will.
    case flushing
    /// Over. The descriptor is closed, and the slot freed, at the end of a turn.
    case closed
}

/// A connection's phase, and the only code that changes it.
///
/// ```
/// proxyHeader ─► request ─► awaitingInit ─► open ─► closing ─► flushing ─► closed
///                   │             └───────────┴────────┴─► draining ─► finished ─► closed
///                   └─► draining, flushing
/// ```
///
/// Each event returns what the change asks the caller to do. An event that comes too late changes
/// nothing and asks for nothing.
package struct ClientLifecycle: BitwiseCopyable {
    package private(set) var phase = ClientPhase.request

    package init() {}

    /// What happens to a connection.
    package enum Event: BitwiseCopyable, Sendable {
        /// It was accepted where each connection begins with a PROXY header.
        case proxyHeaderAwaited
        case proxyHeaderReceived
        /// The request became a WebSocket.
        case upgraded
        /// A token says whose the WebSocket is, for the first time or anew.
        case authenticated
        /// We end the WebSocket.
        case closeSent
        /// The peer broke the protocol (RFC 6455 §7.1.7).
        case protocolViolated
        /// The answer to a request is the connection's last.
        case lastAnswerQueued
        /// The peer's Close frame arrived.
        case closeReceived
        /// The peer's direction has ended (FIN). Something may still wait to be sent.
        case endReceived(hasOutput: Bool)
        /// The peer's TLS session has ended (close_notify, RFC 8446 §6.1).
        case secureEndReceived
        /// The TLS session has failed: only its alert can still go out.
        case secureSessionFailed
        /// All that waited is with the kernel.
        case outputSent
        /// A reset, a deadline, or no way to serve it.
        case connectionLost
    }

    /// What a change of phase asks for.
    package struct Duties: OptionSet, BitwiseCopyable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) {
            self.rawValue = rawValue
        }

        /// It leaves all projects, and no event or answer is queued any more.
        package static let endMessages = Duties(rawValue: 1 << 0)
        /// The Close frame is queued.
        package static let queueClose = Duties(rawValue: 1 << 1)
        /// The connection has a limited time left.
        package static let setCloseDeadline = Duties(rawValue: 1 << 2)
        /// The flush has to look at it, even when nothing waits.
        package static let flush = Duties(rawValue: 1 << 3)
        /// Our direction is ended.
        package static let finishSending = Duties(rawValue: 1 << 4)
        /// It is over: what belongs to it is given back.
        package static let free = Duties(rawValue: 1 << 5)
    }

    package mutating func handle(_ event: Event) -> Duties {
        switch event {
        case .proxyHeaderAwaited:
            precondition(phase == .request, "only a new connection awaits a PROXY header")
            phase = .proxyHeader
            return []
        case .proxyHeaderReceived:
            guard phase == .proxyHeader else { return [] }
            phase = .request
            return []
        case .upgraded:
            precondition(phase == .request, "only a request becomes a WebSocket")
            phase = .awaitingInit
            return []
        case .authenticated:
            precondition(isOpenForMessages, "only a WebSocket has a user")
            phase = .open
            return []
        case .closeSent: return sendClose()
        case .protocolViolated: return violateProtocol()
        case .lastAnswerQueued:
            guard phase == .request else { return [] }
            phase = .draining
            return [.setCloseDeadline, .flush]
        case .closeReceived: return receiveClose()
        case .endReceived(let hasOutput): return receiveEnd(hasOutput: hasOutput)
        case .secureEndReceived: return receiveSecureEnd()
        case .secureSessionFailed: return failSecurely()
        case .outputSent: return finishOutput()
        case .connectionLost: return close()
        }
    }

    /// Whether it is a WebSocket on which messages may still be sent.
    package var isOpenForMessages: Bool { phase == .open || phase == .awaitingInit }

    // MARK: Events

    private mutating func sendClose() -> Duties {
        switch phase {
        case .awaitingInit, .open:
            phase = .closing
            return [.endMessages, .queueClose, .setCloseDeadline]
        case .proxyHeader, .request, .closing, .draining, .finished, .flushing, .closed:
            return []
        }
    }

    private mutating func violateProtocol() -> Duties {
        switch phase {
        case .awaitingInit, .open:
            phase = .draining
            return [.endMessages, .queueClose, .setCloseDeadline, .flush]
        case .closing:
            // Our Close is out already, and its deadline gets no later for breaking the protocol.
            phase = .draining
            return .flush
        case .proxyHeader, .request, .draining, .finished, .flushing, .closed:
            return []
        }
    }

    private mutating func receiveClose() -> Duties {
        switch phase {
        case .awaitingInit, .open:
            phase = .flushing
            return [.endMessages, .queueClose, .setCloseDeadline]
        case .closing:
            phase = .flushing
            return .flush
        case .proxyHeader, .request, .draining, .finished, .flushing, .closed:
            return []
        }
    }

    private mutating func receiveEnd(hasOutput: Bool) -> Duties {
        switch phase {
        case .request, .flushing:
            // A client may send its request, end its direction, and wait for the answer.
            guard hasOutput else { return close() }
            phase = .flushing
            return []
        case .proxyHeader, .awaitingInit, .open, .closing, .draining, .finished: return close()
        case .closed: return []
        }
    }

    private mutating func receiveSecureEnd() -> Duties {
        switch phase {
        case .proxyHeader, .request, .awaitingInit, .open:
            phase = .flushing
            return [.endMessages, .setCloseDeadline, .flush]
        case .closing, .draining, .flushing:
            // Messages have ended, and the deadline that it has gets no later.
            phase = .flushing
            return .flush
        case .finished:
            // Both directions have ended.
            return close()
        case .closed: return []
        }
    }

    private mutating func failSecurely() -> Duties {
        switch phase {
        case .proxyHeader, .request, .awaitingInit, .open:
            phase = .draining
            return [.endMessages, .setCloseDeadline, .flush]
        case .closing, .draining, .flushing:
            // Messages have ended, and the deadline that it has gets no later.
            phase = .draining
            return .flush
        case .finished, .closed: return []
        }
    }

    private mutating func finishOutput() -> Duties {
        switch phase {
        case .flushing: return close()
        case .draining:
            phase = .finished
            return .finishSending
        case .proxyHeader, .request, .awaitingInit, .open, .closing, .finished, .closed:
            return []
        }
    }

    private mutating func close() -> Duties {
        guard phase != .closed else { return [] }
        phase = .closed
        return .free
    }
}
