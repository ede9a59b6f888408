/// What a peer's close frame says (RFC 6455 §5.5.1).
package enum ClosePayload: Sendable {
    /// The frame was empty.
    case noStatus
    /// `reason` is a place in the buffer that was read: UTF-8, at most 123 bytes, maybe none.
    case status(CloseCode, reason: Range<Int>)
    /// The payload broke the protocol; `CloseCode` says how.
    case malformed(CloseCode, reason: StaticString)

    /// Reads the payload that `FrameEvent.control(.close, …)` points to.
    package init(_ bytes: borrowing Span<UInt8>, in payload: Range<Int>) {
        let bodyStart = payload.lowerBound
        guard !payload.isEmpty else {
            self = .noStatus
            return
        }
        guard payload.count >= 2 else {
            self = .malformed(.protocolError, reason: "close code cut short (RFC 6455 5.5.1)")
            return
        }
        let code = CloseCode(rawValue: UInt16(bytes[bodyStart]) << 8 | UInt16(bytes[bodyStart + 1]))
        guard code.isValidOnWire else {
            self = .malformed(.protocolError, reason: "close code not allowed (RFC 6455 7.4)")
            return
        }
        let reason = bodyStart + 2..<payload.upperBound
        var text = UTF8Validator()
        let accepted = text.accept(bytes.extracting(reason))
        guard accepted == reason.count && text.isAtBoundary else {
            self = .malformed(.invalidPayload, reason: "close reason is not UTF-8 (RFC 6455 8.1)")
            return
        }
        self = .status(code, reason: reason)
    }

    /// The code for the close frame that answers this one: the same, or for a malformed one the
    /// fault. `noStatusReceived` means an empty frame, which is how `FrameEncoder` writes it.
    package var answer: CloseCode {
        switch self {
        case .noStatus: .noStatusReceived
        case .status(let code, _): code
        case .malformed(let code, _): code
        }
    }
}
