internal import Logging
package import Reactor

/// What clients do. `connection` identifies the connection in all its lines.
extension EventLog {
    /// A handshake was answered with 101. `total` counts this one. `address` is evaluated only
    /// for a line that is written.
    package mutating func clientOpened(
        connection: UInt64, user: UserID?, address: @autoclosure () -> String, total: Int,
        at now: Instant
    ) {
        guard let suppressed = admit(.clientOpened, at: now) else { return }
        var metadata: Logger.Metadata = [
            "connection": .stringConvertible(connection), "address": .string(address()),
            "total": .stringConvertible(total),
        ]
        if let user { metadata["user"] = .string(user.description) }
        write(.info, "client registered", metadata, suppressed: suppressed)
    }

    /// `total` doesn't count this one any more. `code` as for `CloseLabel`.
    package mutating func clientClosed(
        connection: UInt64, code: UInt16, openNanoseconds: UInt64, total: Int, at now: Instant
    ) {
        guard let suppressed = admit(.clientClosed, at: now) else { return }
        write(
            .info, "client unregistered",
            [
                "connection": .stringConvertible(connection), "code": .stringConvertible(code),
                "open_ms": .stringConvertible(openNanoseconds / 1_000_000),
                "total": .stringConvertible(total),
            ],
            suppressed: suppressed)
    }

    /// `subscribers` of the project, this one included.
    package mutating func clientJoined(
        connection: UInt64, project: ProjectID, subscribers: Int, at now: Instant
    ) {
        guard let suppressed = admit(.clientJoined, at: now) else { return }
        write(
            .info, "client joined project",
            [
                "connection": .stringConvertible(connection),
                "project": .string(project.description),
                "subscribers": .stringConvertible(subscribers),
            ],
            suppressed: suppressed)
    }

    /// `subscribers` that the project still has.
    package mutating func clientLeft(
        connection: UInt64, project: ProjectID, subscribers: Int, at now: Instant
    ) {
        guard let suppressed = admit(.clientLeft, at: now) else { return }
        write(
            .info, "client left project",
            [
                "connection": .stringConvertible(connection),
                "project": .string(project.description),
                "subscribers": .stringConvertible(subscribers),
            ],
            suppressed: suppressed)
    }

    /// The subscription ended because the membership did, or the project.
    package mutating func subscriptionRevoked(
        connection: UInt64, project: ProjectID, reason: ErrorCode, at now: Instant
    ) {
        guard let suppressed = admit(.subscriptionRevoked, at: now) else { return }
        write(
            .info, "subscription revoked",
            [
                "connection": .stringConvertible(connection),
                "project": .string(project.description), "reason": .string("\(reason.text)"),
            ],
            suppressed: suppressed)
    }

    /// `detail` says why and must not quote the request, which may hold a token.
    package mutating func handshakeRefused(
        _ reason: RefusalLabel, detail: @autoclosure () -> String,
        address: @autoclosure () -> String, at now: Instant
    ) {
        guard let suppressed = admit(.handshakeRefused, at: now) else { return }
        write(
            .info, "handshake refused",
            [
                "reason": .string("\(reason.text)"), "detail": .string(detail()),
                "address": .string(address()),
            ],
            suppressed: suppressed)
    }

    /// `detail` says what is wrong and must not quote the message, which may hold a token.
    package mutating func badMessage(
        connection: UInt64, detail: @autoclosure () -> String, byteCount: Int, at now: Instant
    ) {
        guard let suppressed = admit(.badMessage, at: now) else { return }
        write(
            .info, "bad message",
            [
                "connection": .stringConvertible(connection), "detail": .string(detail()),
                "bytes": .stringConvertible(byteCount),
            ],
            suppressed: suppressed)
    }

    /// What a proxy, or somebody in its place, said about a connection's origin was refused.
    package mutating func proxyFault(
        _ what: StaticString, address: @autoclosure () -> String, at now: Instant
    ) {
        guard let suppressed = admit(.proxyFault, at: now) else { return }
        write(
            .warning, "proxy refused",
            ["detail": .string("\(what)"), "address": .string(address())],
            suppressed: suppressed)
    }

    /// A limit on what a connection may do was reached, and it is being closed.
    package mutating func limitReached(
        _ limit: LimitLabel, connection: UInt64, address: @autoclosure () -> String,
        at now: Instant
    ) {
        guard let suppressed = admit(.limitReached, at: now) else { return }
        write(
            .info, "client over a limit",
            [
                "limit": .string("\(limit.text)"), "connection": .stringConvertible(connection),
                "address": .string(address()),
            ],
            suppressed: suppressed)
    }

    /// `type` is what the client wrote there. Its first bytes are logged: enough for a name, and too
    /// few for what a client in error might have put there, such as a token.
    package mutating func unknownType(
        connection: UInt64, type: borrowing ByteBuffer, at now: Instant
    ) {
        guard let suppressed = admit(.unknownType, at: now) else { return }
        write(
            .info, "unknown message type",
            [
                "connection": .stringConvertible(connection),
                "type": .string(Self.text(type.bytes, bytesMax: 24)),
            ],
            suppressed: suppressed)
    }

    /// A queue exceeded its bound: it was collapsed into a resync, or its client disconnected.
    package mutating func slowClient(
        connection: UInt64, disconnected: Bool, queuedBytes: Int, at now: Instant
    ) {
        guard let suppressed = admit(.slowClient, at: now) else { return }
        write(
            .info, disconnected ? "slow client disconnected" : "slow client's queue collapsed",
            [
                "connection": .stringConvertible(connection),
                "queued_bytes": .stringConvertible(queuedBytes),
            ],
            suppressed: suppressed)
    }
}
