internal import Reactor

// The same as in `Outbox/BufferArguments.swift`, for codecs that only the core calls.

extension TokenVerifier {
    mutating func verify(
        _ token: borrowing ByteBuffer, at wall: Timestamp
    ) throws(TokenError) -> TokenClaims {
        try verify(token.bytes, nowUnixSeconds: wall.unixSeconds)
    }
}

extension ResponseWriter {
    static func write(
        _ status: HTTPStatus, _ type: ContentType, body: borrowing ByteBuffer,
        as form: ResponseForm, into buffer: inout ByteBuffer
    ) {
        write(status, type, body: body.bytes, as: form, into: &buffer)
    }

    static func write(
        _ error: HTTPError, message: borrowing ByteBuffer, as form: ResponseForm,
        into buffer: inout ByteBuffer
    ) {
        write(error, message: message.bytes, as: form, into: &buffer)
    }
}

extension QueryParameters {
    /// A value in text format.
    mutating func append(text: borrowing ByteBuffer) {
        append(text: text.bytes)
    }
}

extension Core {
    /// A payload from a buffer that isn't the core's.
    mutating func notify(_ payload: borrowing ByteBuffer) {
        notify(payload.bytes)
    }
}
