package import Gateway
package import Reactor

/// What the tests of the WebSocket codec share.
package enum WebSocketTesting {
    /// An event with its bytes, joined over the pieces in which a message came.
    package enum Event: Equatable {
        case message(Opcode, [UInt8])
        case compressed(Opcode, [UInt8])
        case control(Opcode, [UInt8])
        /// `at` counts from the start of the input.
        case failure(UInt16, at: Int)
    }

    package static func limits(
        _ messageBytesMax: Int = 1 << 20, acceptsBinary: Bool = true,
        acceptsCompressed: Bool = false, role: EndpointRole = .server
    ) -> MessageLimits {
        MessageLimits(
            messageBytesMax: messageBytesMax, acceptsBinary: acceptsBinary,
            acceptsCompressed: acceptsCompressed, role: role)
    }

    /// Whether a value is all zero in memory.
    package static func isZero<Value: BitwiseCopyable>(_ value: Value) -> Bool {
        unsafe withUnsafeBytes(of: value) { unsafe $0.allSatisfy { $0 == 0 } }
    }

    /// The content of a buffer, for comparing.
    package static func bytes(of buffer: borrowing ByteBuffer) -> [UInt8] {
        let span = buffer.bytes
        return span.indices.map { span[$0] }
    }

    /// Splitmix64: small, and the same on every host for the same seed.
    package struct Random: RandomNumberGenerator {
        private var state: UInt64

        package init(seed: UInt64) { state = seed }

        package mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return mixed ^ mixed >> 31
        }

        package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

        package mutating func bytes(_ count: Int) -> [UInt8] {
            (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
        }

        /// A new seed for a test, printed so that a failing run can be repeated.
        package static func seeded(for test: String) -> Random {
            let seed = UInt64.random(in: 0...UInt64.max)
            print("seed of \(test): \(seed)")
            return Random(seed: seed)
        }
    }
}

extension WebSocketTesting {
    /// Feeds `input` in the pieces between `cuts`, as a connection would: what `incomplete` leaves
    /// over is put in front of the next piece. Checks on the way what holds for every call.
    package static func decode(
        _ input: [UInt8], cuts: [Int] = [], limits: MessageLimits = limits()
    ) -> [Event] {
        var decoder = FrameDecoder()
        var events: [Event] = []
        var message: [UInt8] = []
        var buffer: [UInt8] = []
        var taken = 0
        for end in cuts + [input.count] {
            buffer += input[taken..<end]
            taken = end
            var position = 0
            reading: while true {
                let before = position
                var bytes = buffer.mutableSpan
                let event = decoder.next(in: &bytes, at: &position, limits: limits)
                switch event {
                case .incomplete:
                    break reading
                case .data(let payload, let opcode, let endsMessage):
                    precondition(payload.upperBound == position)
                    precondition(payload.lowerBound >= before)
                    precondition(!payload.isEmpty || endsMessage)
                    message += buffer[payload]
                    guard endsMessage else { continue }
                    events.append(.message(opcode, message))
                    message = []
                case .compressed(let payload, let opcode, let endsMessage):
                    precondition(payload.upperBound == position)
                    message += buffer[payload]
                    guard endsMessage else { continue }
                    events.append(.compressed(opcode, message))
                    message = []
                case .control(let opcode, let payload):
                    precondition(payload.upperBound == position)
                    events.append(.control(opcode, Array(buffer[payload])))
                case .failure(let code, _):
                    let start = taken - buffer.count
                    events.append(.failure(code.rawValue, at: start + position))
                    expectEnded(decoder, code: code, limits: limits)
                    return events
                }
            }
            buffer.removeFirst(position)
            precondition(buffer.count <= FrameDecoder.leftoverBytesMax)
        }
        return events
    }

    /// A decoder that has failed says so again, whatever it is given, and takes nothing.
    private static func expectEnded(
        _ decoder: FrameDecoder, code: CloseCode, limits: MessageLimits
    ) {
        var decoder = decoder
        var more: [UInt8] = frame(0x81, "more")
        var position = 0
        var bytes = more.mutableSpan
        let event = decoder.next(in: &bytes, at: &position, limits: limits)
        guard case .failure(let again, _) = event, again == code, position == 0 else {
            preconditionFailure("\(event) after \(code)")
        }
    }

    /// A frame, built without the encoder: `first` is its first byte, the length is in its shortest
    /// form.
    package static func frame(_ first: UInt8, _ payload: [UInt8], masked: Bool = true) -> [UInt8] {
        header(first, payload.count, masked: masked)
            + (masked ? payload.indices.map { payload[$0] ^ key[$0 % 4] } : payload)
    }

    package static func frame(_ first: UInt8, _ payload: String, masked: Bool = true) -> [UInt8] {
        frame(first, Array(payload.utf8), masked: masked)
    }

    /// The header alone. `width` is the number of bytes of an extended length: 0, 2 or 8.
    package static func header(
        _ first: UInt8, _ length: Int, width: Int? = nil, masked: Bool = true
    ) -> [UInt8] {
        let width = width ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8)
        let short = width == 0 ? UInt8(length) : width == 2 ? 126 : 127
        var bytes = [first, short | (masked ? 0x80 : 0)]
        for index in 0..<width {
            bytes.append(UInt8(truncatingIfNeeded: length >> ((width - 1 - index) * 8)))
        }
        return masked ? bytes + key : bytes
    }

    /// The masking key of these frames.
    package static let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
}
