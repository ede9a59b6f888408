/// The `code` of an error message, the part of it that programs read: every one that a client can
/// be sent over an open connection (docs/protocol.md).
package enum ErrorCode: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    /// No JSON object, a key of the wrong type, or a key missing.
    case badMessage
    /// A `type` that the gateway doesn't know.
    case unknownType
    /// `project_id` isn't a UUID.
    case invalidProject
    /// `since` isn't a cursor; a resync follows.
    case invalidCursor
    /// The token of an `init` isn't valid, or is another user's.
    case badToken
    /// A message that needs a user came before one was known.
    case notAuthenticated
    /// The user isn't a member of the project.
    case forbidden
    /// The user was a member until now; the subscription has ended.
    case membershipRevoked
    /// The project was deleted; the subscription has ended.
    case projectDeleted
    /// `leave_project` names a project that the connection isn't subscribed to.
    case notSubscribed
    /// One more project than a connection may subscribe to.
    case tooManyProjects
    /// The gateway tells nobody who is present.
    case presenceOff
    /// There are no direct messages here.
    case directOff
    /// The user and the recipient of a direct message share no project, or there is no such user.
    case notAllowed
    /// As much waits for the recipient as may.
    case inboxFull
    /// The user sends too many direct messages, or asks for too many inboxes.
    case tooFast
    /// The data of a direct message has too many bytes, or too many values.
    case tooLarge
    /// The gateway can't do it now: the database is away, or memory is short.
    case unavailable

    package var text: StaticString {
        switch self {
        case .badMessage: "bad_message"
        case .unknownType: "unknown_type"
        case .invalidProject: "invalid_project"
        case .invalidCursor: "invalid_cursor"
        case .badToken: "bad_token"
        case .notAuthenticated: "not_authenticated"
        case .forbidden: "forbidden"
        case .membershipRevoked: "membership_revoked"
        case .projectDeleted: "project_deleted"
        case .notSubscribed: "not_subscribed"
        case .tooManyProjects: "too_many_projects"
        case .presenceOff: "presence_off"
        case .directOff: "direct_off"
        case .notAllowed: "not_allowed"
        case .inboxFull: "inbox_full"
        case .tooFast: "too_fast"
        case .tooLarge: "too_large"
        case .unavailable: "unavailable"
        }
    }

    /// Whether the same message may succeed if it is sent again later.
    package var isTemporary: Bool {
        switch self {
        case .unavailable, .inboxFull, .tooFast: true
        case .badMessage, .unknownType, .invalidProject, .invalidCursor, .badToken,
            .notAuthenticated, .forbidden, .membershipRevoked, .projectDeleted, .notSubscribed,
            .tooManyProjects, .presenceOff, .directOff, .notAllowed, .tooLarge:
            false
        }
    }
}
