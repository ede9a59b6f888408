import Gateway
import Reactor
import Testing

@Suite struct CloseCodeBehaviour {
    @Test func `exactly the codes of RFC 6455 §7.4 and of IANA are valid on the wire`() {
        let named: [UInt16] = [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
        ]
        for code in UInt16.min...UInt16.max {
            let expected = named.contains(code) || code >= 3000 && code < 5000
            if CloseCode(rawValue: code).isValidOnWire != expected { Issue.record("\(code)") }
        }
    }

    @Test(arguments: [
        CloseCode.normal, .goingAway, .protocolError, .unsupportedData, .invalidPayload,
        .messageTooBig, .internalError, .serviceRestart, .badToken, .initTimeout, .forbidden,
        .tokenExpired, .readTimeout, .tooSlow, .messageRate, .tooManyConnectionsOfUser,
        .tooManyConnectionsOfAddress,
    ])
    func `every code that the gateway sends is valid on the wire`(code: CloseCode) {
        #expect(code.isValidOnWire)
    }
}

@Suite struct ClosePayloadBehaviour {
    /// Reads `body` from the middle of a larger buffer, as the decoder's ranges are.
    private func read(_ body: [UInt8]) -> ClosePayload {
        let bytes = [0xFF, 0xFF, 0xFF] + body + [0xFF]
        return ClosePayload(bytes.span, in: 3..<3 + body.count)
    }

    private func body(_ code: UInt16, _ reason: [UInt8] = []) -> [UInt8] {
        [UInt8(code >> 8), UInt8(code & 0xFF)] + reason
    }

    @Test func `an empty one has no code, and is answered with an empty one`() {
        let payload = read([])
        guard case .noStatus = payload else {
            Issue.record("\(payload)")
            return
        }
        #expect(payload.answer == .noStatusReceived)
    }

    @Test func `a code and a reason are read, and the code is echoed`() {
        let payload = read(body(4101, Array("später".utf8)))
        guard case .status(let code, let reason) = payload else {
            Issue.record("\(payload)")
            return
        }
        #expect(code == .tokenExpired)
        #expect(reason == 5..<12)
        #expect(payload.answer == .tokenExpired)
    }

    @Test func `a code alone has an empty reason`() {
        guard case .status(.normal, let reason) = read(body(1000)) else {
            Issue.record("no status")
            return
        }
        #expect(reason == 5..<5)
    }

    @Test func `one byte is answered with 1002 (RFC 6455 §5.5.1)`() {
        for byte in UInt8.min...UInt8.max { #expect(read([byte]).answer == .protocolError) }
    }

    @Test func `every code that may not be on the wire is answered with 1002 (RFC 6455 §7.4)`() {
        for code in UInt16.min...UInt16.max {
            let payload = read(body(code))
            let expected = CloseCode(rawValue: code)
            if payload.answer != (expected.isValidOnWire ? expected : .protocolError) {
                Issue.record("\(code): \(payload)")
            }
        }
    }

    @Test(
        arguments: [
            [0xFF], [0x61, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80],
        ] as [[UInt8]])
    func `a reason that isn't UTF-8, or ends within a character, is answered with 1007`(
        reason: [UInt8]
    ) {
        #expect(read(body(1000, reason)).answer == .invalidPayload)
    }

    @Test func `what the encoder writes is read back, and answers go out as valid frames`() {
        var buffer = ByteBuffer()
        FrameEncoder.writeClose(.serviceRestart, reason: "{\"window_ms\":5000}", into: &buffer)
        let payload = ClosePayload(buffer.bytes, in: 2..<buffer.count)
        #expect(payload.answer == .serviceRestart)
        buffer.removeAll()
        FrameEncoder.writeClose(ClosePayload(buffer.bytes, in: 0..<0).answer, into: &buffer)
        let written = WebSocketTesting.bytes(of: buffer)
        #expect(written == [0x88, 0x00])
    }
}
