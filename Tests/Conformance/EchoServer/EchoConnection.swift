internal import Gateway
internal import Reactor

/// One connection. A class, since it holds buffers and lives in a dictionary.
final class EchoConnection {
    enum Phase {
        case request
        case open
        /// What is queued goes out, then the socket is closed: the Close frames were exchanged.
        case flushing
        /// What is queued goes out, then our direction ends; what still comes is thrown away. The
        /// peer broke the protocol, and closing at once could overtake our Close with a reset.
        case draining
    }

    private(set) var phase = Phase.request
    private var head = RequestHeadParser()
    private var decoder = FrameDecoder()
    /// The pieces so far of a message that isn't complete.
    var message = SegmentIndex.none
    /// The bytes so far of a request head, or of a frame's header, that isn't complete.
    private(set) var leftover: [UInt8] = []
    var output = EchoOutput()

    /// Whether permessage-deflate was agreed upon.
    private(set) var deflates = false

    private var limits: MessageLimits {
        MessageLimits(
            messageBytesMax: Echoes.messageBytesMax, acceptsBinary: true,
            acceptsCompressed: deflates, role: .server)
    }

    /// Takes in what was left over before, with what has come since behind it.
    func receive(_ bytes: inout MutableSpan<UInt8>, echoing echoes: inout Echoes) {
        var position = 0
        var takesMore = true
        while takesMore, position < bytes.count {
            switch phase {
            case .request:
                takesMore = takeRequest(of: bytes.span, at: &position)
            case .open:
                takesMore = takeFrame(of: &bytes, at: &position, echoing: &echoes)
            case .flushing, .draining:
                position = bytes.count
            }
        }
        leftover.removeAll(keepingCapacity: true)
        for index in position..<bytes.count { leftover.append(bytes[index]) }
    }

    // MARK: HTTP

    private func takeRequest(of bytes: borrowing Span<UInt8>, at position: inout Int) -> Bool {
        let rest = bytes.extracting(position..<bytes.count)
        var request = RequestHead()
        switch head.parse(rest, into: &request) {
        case .incomplete:
            return false
        case .failure(let error):
            refuse(error)
        case .complete(let count):
            position += count
            do throws(HTTPError) {
                try upgrade(request, in: rest.extracting(0..<count))
            } catch {
                refuse(error)
            }
        }
        return true
    }

    private func upgrade(
        _ request: RequestHead, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) {
        let handshake = try Handshake(of: request, in: bytes)
        let deflate = try DeflateOffer.first(of: request, in: bytes)
        try Handshake.writeAccept(
            key: bytes.extracting(handshake.key), subprotocol: nil, deflate: deflate,
            into: &output.bytes)
        deflates = deflate != nil
        phase = .open
    }

    private func refuse(_ error: HTTPError) {
        ResponseWriter.write(error, as: .closing, into: &output.bytes)
        phase = .draining
    }

    // MARK: Frames

    private func takeFrame(
        of bytes: inout MutableSpan<UInt8>, at position: inout Int, echoing echoes: inout Echoes
    ) -> Bool {
        switch decoder.next(in: &bytes, at: &position, limits: limits) {
        case .incomplete:
            return false
        case .data(let payload, let opcode, let endsMessage):
            echoes.take(
                bytes.span.extracting(payload), opcode, isCompressed: false,
                endsMessage: endsMessage, of: self)
        case .compressed(let payload, let opcode, let endsMessage):
            echoes.take(
                bytes.span.extracting(payload), opcode, isCompressed: true,
                endsMessage: endsMessage, of: self)
        case .control(.ping, let payload):
            FrameEncoder.write(
                bytes.span.extracting(payload), opcode: .pong, into: &output.bytes)
        case .control(.close, let payload):
            takeClose(ClosePayload(bytes.span, in: payload))
        case .control:
            break
        case .failure(let code, let reason):
            fail(code, reason)
        }
        return true
    }

    private func takeClose(_ close: ClosePayload) {
        switch close {
        case .malformed(let code, let reason):
            fail(code, reason)
        case .noStatus, .status:
            FrameEncoder.writeClose(close.answer, into: &output.bytes)
            phase = .flushing
        }
    }

    /// Fails the WebSocket (RFC 6455 §7.1.7).
    func fail(_ code: CloseCode, _ reason: StaticString) {
        FrameEncoder.writeClose(code, reason: reason, into: &output.bytes)
        phase = .draining
    }
}
