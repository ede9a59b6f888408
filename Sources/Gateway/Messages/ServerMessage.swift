package import Reactor

/// The text messages that the gateway sends, written without white space and with their keys in
/// the order of docs/protocol.md. `cache_invalidate` for a row is written by `Notification`.
package enum ServerMessage {
    /// The text keepalive.
    package static func writePing(into buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"ping"}"#)
    }

    /// The answer to `ping`.
    package static func writePong(reference: Reference, into buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"pong""#)
        writeReference(reference, into: &buffer)
        buffer.append("}")
    }

    /// What was asked for under `reference` is done; `cursor` is from where a new subscription can
    /// be resumed.
    package static func writeOK(
        reference: Reference, cursor: Cursor? = nil, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"ok""#)
        writeReference(reference, into: &buffer)
        if let cursor {
            buffer.append(#","cursor":"#)
            Cursor.write(cursor, to: &buffer)
        }
        buffer.append("}")
    }

    /// Something that was asked for isn't done; or, without `reference`, a subscription ended.
    ///
    /// `message` is for people and goes through JSON's escaping; `project` names the subscription
    /// that ended, where one did.
    package static func writeError(
        _ code: ErrorCode, message: borrowing Span<UInt8>, reference: Reference = .absent,
        project: ProjectID? = nil, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"error""#)
        writeReference(reference, into: &buffer)
        buffer.append(#","code":""#)
        buffer.append(code.text)
        buffer.append("\"")
        if let project {
            buffer.append(#","project_id":""#)
            project.write(to: &buffer)
            buffer.append("\"")
        }
        buffer.append(#","message":"#)
        JSONString.write(message, into: &buffer)
        buffer.append(code.isTemporary ? #","temporary":true}"# : #","temporary":false}"#)
    }

    /// The same with a fixed text.
    package static func writeError(
        _ code: ErrorCode, message: StaticString, reference: Reference = .absent,
        project: ProjectID? = nil, into buffer: inout ByteBuffer
    ) {
        let text = unsafe Span(_unsafeStart: message.utf8Start, count: message.utf8CodeUnitCount)
        writeError(code, message: text, reference: reference, project: project, into: &buffer)
    }

    /// One part of a resync: any row of `resource` in `project` may have changed unseen.
    package static func writeResync(
        ofResource resource: borrowing Span<UInt8>, project: ProjectID, at timestamp: Timestamp,
        reason: ResyncReason, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"cache_invalidate","resource":"#)
        JSONString.write(resource, into: &buffer)
        buffer.append(#","action":"RESYNC","project_id":""#)
        project.write(to: &buffer)
        buffer.append(#"","data":{"id":"*","timestamp":""#)
        timestamp.write(to: &buffer)
        buffer.append(#""},"reason":""#)
        buffer.append(reason.text)
        buffer.append(#""}"#)
    }

    /// The answer to `init` (docs/protocol.md).
    package static func writeReady(_ ready: borrowing Ready, into buffer: inout ByteBuffer) {
        buffer.append(#"{"type":"ready","connection_id":""#)
        ready.connection.write(to: &buffer)
        buffer.append(#"","user_id":""#)
        ready.user.write(to: &buffer)
        buffer.append(#"","project_id":"#)
        if let project = ready.project {
            buffer.append("\"")
            project.write(to: &buffer)
            buffer.append("\"")
        } else {
            buffer.append("null")
        }
        buffer.append(#","expires_at":""#)
        ready.expiresAt.writeWithoutFraction(to: &buffer)
        buffer.append(#"","cursor":"#)
        Cursor.write(ready.cursor, to: &buffer)
        buffer.append(#","ping_interval_ms":"#)
        buffer.append(decimal: UInt64(ready.pingIntervalMilliseconds))
        buffer.append(#","reconnect_window_ms":"#)
        buffer.append(decimal: UInt64(ready.reconnectWindowMilliseconds))
        buffer.append("}")
    }

    /// What `ready` tells.
    package struct Ready: BitwiseCopyable, Sendable {
        package var connection: UUID
        package var user: UserID
        package var project: ProjectID?
        /// When the connection will be closed unless a fresh token comes.
        package var expiresAt: Timestamp
        /// From where the connection can be resumed; `nil` without an event log.
        package var cursor: Cursor?
        package var pingIntervalMilliseconds: UInt32
        /// Over how long a time clients should spread when they reconnect after a drain.
        package var reconnectWindowMilliseconds: UInt32

        package init(
            connection: UUID, user: UserID, project: ProjectID?, expiresAt: Timestamp,
            cursor: Cursor?, pingIntervalMilliseconds: UInt32, reconnectWindowMilliseconds: UInt32
        ) {
            self.connection = connection
            self.user = user
            self.project = project
            self.expiresAt = expiresAt
            self.cursor = cursor
            self.pingIntervalMilliseconds = pingIntervalMilliseconds
            self.reconnectWindowMilliseconds = reconnectWindowMilliseconds
        }
    }

    static func writeReference(_ reference: Reference, into buffer: inout ByteBuffer) {
        guard reference.isPresent else { return }
        buffer.append(#","ref":"#)
        reference.write(to: &buffer)
    }
}

/// Why a client is told to fetch everything again; for people who read traffic.
package enum ResyncReason: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    /// The gateway was without its LISTEN connection for a while.
    case listenerReconnected
    /// The client's queue was dropped because it read too slowly.
    case slowConsumer
    /// Memberships of the project were being verified, and nothing was sent meanwhile.
    case membershipChecked
    /// The client's cursor is older than the event log.
    case cursorExpired
    /// More has changed since the client's cursor than is worth listing.
    case tooManyChanges
    /// The client's cursor can't be read.
    case cursorInvalid

    package var text: StaticString {
        switch self {
        case .listenerReconnected: "listener_reconnected"
        case .slowConsumer: "slow_consumer"
        case .membershipChecked: "membership_checked"
        case .cursorExpired: "cursor_expired"
        case .tooManyChanges: "too_many_changes"
        case .cursorInvalid: "cursor_invalid"
        }
    }
}
