/// A refusal before the upgrade: what the client is told, and what it costs it.
///
/// The catalogue of docs/protocol.md. What is wrong with a token stands beside the message, and is
/// said in its place.
package struct HTTPError: Error, Sendable {
    package enum Kind: UInt8, BitwiseCopyable, Sendable {
        case badRequest
        /// No token where one is needed.
        case missingToken
        /// A token that doesn't hold; answered with the same status and code as none.
        case invalidToken
        /// The same, with what is wrong with the token in `token`.
        case refusedToken
        case forbidden
        case notFound
        case methodNotAllowed
        case timeout
        case upgradeRequired
        case tooManyConnections
        case headerTooLarge
        case unavailable
    }

    package let kind: Kind
    /// One English sentence without its full stop.
    package let message: StaticString
    /// What `Allow` lists; used by 405 alone.
    package var allowed = AllowedMethods.getAndHead
    /// What `Retry-After` says, in seconds; used by 429 and 503.
    package var retryAfterSeconds: UInt16 = 5
    /// What is wrong with the token, said instead of `message`; used by `refusedToken` alone.
    package var token: TokenError?

    package init(_ kind: Kind, _ message: StaticString) {
        self.kind = kind
        self.message = message
    }

    package var status: HTTPStatus {
        switch kind {
        case .badRequest: .badRequest
        case .missingToken, .invalidToken, .refusedToken: .unauthorized
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .timeout: .requestTimeout
        case .upgradeRequired: .upgradeRequired
        case .tooManyConnections: .tooManyRequests
        case .headerTooLarge: .requestHeaderFieldsTooLarge
        case .unavailable: .serviceUnavailable
        }
    }

    /// What programs compare; never changes for a kind.
    package var code: StaticString {
        switch kind {
        case .badRequest: "bad_request"
        case .missingToken, .invalidToken, .refusedToken: "unauthorized"
        case .forbidden: "forbidden"
        case .notFound: "not_found"
        case .methodNotAllowed: "method_not_allowed"
        case .timeout: "timeout"
        case .upgradeRequired: "upgrade_required"
        case .tooManyConnections: "too_many_connections"
        case .headerTooLarge: "header_too_large"
        case .unavailable: "unavailable"
        }
    }

    /// Whether the connection has to be closed after the answer, because where the next request
    /// begins isn't known, or because there shall be none.
    package var closesConnection: Bool {
        switch kind {
        case .badRequest, .timeout, .headerTooLarge, .tooManyConnections, .unavailable: true
        case .missingToken, .invalidToken, .refusedToken, .forbidden, .notFound,
            .methodNotAllowed, .upgradeRequired:
            false
        }
    }
}

extension HTTPError {
    package static func badRequest(_ message: StaticString) -> HTTPError {
        HTTPError(.badRequest, message)
    }

    package static var missingToken: HTTPError {
        HTTPError(.missingToken, "a token is needed")
    }

    package static var invalidToken: HTTPError {
        HTTPError(.invalidToken, "the token is not valid")
    }

    package static var notAMember: HTTPError {
        HTTPError(.forbidden, "not a member of the project")
    }

    package static var originNotAllowed: HTTPError {
        HTTPError(.forbidden, "requests from this origin are not allowed")
    }

    package static var notFound: HTTPError {
        HTTPError(.notFound, "there is nothing here")
    }

    package static func methodNotAllowed(_ allowed: AllowedMethods) -> HTTPError {
        var error = HTTPError(.methodNotAllowed, "this method is not allowed here")
        error.allowed = allowed
        return error
    }

    package static var timeout: HTTPError {
        HTTPError(.timeout, "the request head was not complete in time")
    }

    package static var upgradeRequired: HTTPError {
        HTTPError(.upgradeRequired, "this is a WebSocket endpoint of version 13 (RFC 6455)")
    }

    package static var headTooLarge: HTTPError {
        HTTPError(.headerTooLarge, "the request head is larger than 16 KiB")
    }

    package static var requestLineTooLong: HTTPError {
        HTTPError(.headerTooLarge, "the request line is longer than 8 KiB")
    }

    package static var tooManyFields: HTTPError {
        HTTPError(.headerTooLarge, "the request has more than 100 header fields")
    }

    package static func unavailable(
        _ message: StaticString, retryAfterSeconds: UInt16
    ) -> HTTPError {
        var error = HTTPError(.unavailable, message)
        error.retryAfterSeconds = retryAfterSeconds
        return error
    }
}

extension HTTPError: Equatable {
    package static func == (left: HTTPError, right: HTTPError) -> Bool {
        left.kind == right.kind && left.allowed == right.allowed
            && left.retryAfterSeconds == right.retryAfterSeconds
            && left.token == right.token
            && left.message.description == right.message.description
    }
}

/// What an `Allow` header lists.
package enum AllowedMethods: UInt8, BitwiseCopyable, Sendable {
    case get
    case getAndHead
}
