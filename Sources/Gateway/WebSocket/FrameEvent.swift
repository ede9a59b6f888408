/// What `FrameDecoder.next` found. Ranges are places in the buffer it was given, valid until that
/// changes; their bytes are unmasked.
package enum FrameEvent: Sendable {
    /// Nothing more can be made of these bytes. Those from `position` to the end (at most
    /// `FrameDecoder.leftoverBytesMax`) are the start of a header or of a control frame: the caller
    /// keeps them and presents them again in front of what comes next.
    case incomplete

    /// The next piece of a message, as much of it as is here. `opcode` is the message's, `text` or
    /// `binary`. Text is well-formed so far, and whole characters where it ends. Empty only if it
    /// ends a message.
    case data(payload: Range<Int>, opcode: Opcode, endsMessage: Bool)

    /// The same of a message that is compressed (RFC 7692). What its bytes say, and whether a text
    /// is well-formed, shows only when all of them are decompressed together.
    case compressed(payload: Range<Int>, opcode: Opcode, endsMessage: Bool)

    /// A whole control frame: `close`, `ping` or `pong`, with at most 125 bytes.
    case control(Opcode, payload: Range<Int>)

    /// The peer broke the protocol: close with this code. The decoder has ended and says the same
    /// to every further call. `position` is at the byte that shows the fault, or just after a
    /// message that ended within a character.
    case failure(CloseCode, reason: StaticString)
}
