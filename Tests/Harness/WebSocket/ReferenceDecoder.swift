package import Gateway

extension WebSocketTesting {
    /// A second decoder to compare with, written for plainness: one byte at a time, so that no cut
    /// of the input can matter, every byte kept, every rule spelt out.
    package struct ReferenceDecoder {
        private let limits: MessageLimits
        private(set) var events: [Event] = []
        private var state = State.first
        private var offset = 0
        private var isOver = false
        // Of the current frame.
        private var isFinal = false
        private var opcode = Opcode.continuation
        private var length: UInt64 = 0
        private var key: [UInt8] = []
        private var payload: [UInt8] = []
        // Of the current message.
        private var messageOpcode: Opcode?
        private var message: [UInt8] = []
        private var announced: UInt64 = 0
        private var empties = 0
        private var character: [UInt8] = []

        private enum State {
            case first, second, key, payload
            case length(width: Int, read: Int)
        }

        package static func decode(_ input: [UInt8], limits: MessageLimits) -> [Event] {
            var decoder = ReferenceDecoder(limits: limits)
            for byte in input { decoder.feed(byte) }
            return decoder.events
        }

        private init(limits: MessageLimits) { self.limits = limits }

        private mutating func fail(_ code: UInt16, at place: Int? = nil) {
            events.append(.failure(code, at: place ?? offset))
            isOver = true
        }

        private mutating func feed(_ byte: UInt8) {
            guard !isOver else { return }
            switch state {
            case .first: readFirst(byte)
            case .second: readSecond(byte)
            case .length(let width, let read): readLength(byte, width: width, read: read)
            case .key:
                key.append(byte)
                if key.count == 4 { beginPayload() }
            case .payload: readPayload(byte)
            }
            offset += 1
        }

        private mutating func readFirst(_ byte: UInt8) {
            isFinal = byte >= 128
            if (byte >> 4) % 8 != 0 { return fail(1002) }
            guard let known = Opcode(rawValue: byte % 16) else { return fail(1002) }
            opcode = known
            switch known {
            case .close, .ping, .pong: if !isFinal { return fail(1002) }
            case .continuation: if messageOpcode == nil { return fail(1002) }
            case .text, .binary: if messageOpcode != nil { return fail(1002) }
            }
            if known == .binary && !limits.acceptsBinary { return fail(1003) }
            state = .second
        }

        private mutating func readSecond(_ byte: UInt8) {
            let isMasked = byte >= 128
            if isMasked != (limits.role == .server) { return fail(1002) }
            length = UInt64(byte % 128)
            (key, payload) = ([], [])
            if opcode.isControl && length > 125 { return fail(1002) }
            if length == 0 && !isFinal {
                if empties == 64 { return fail(1008) }
                empties += 1
            }
            switch length {
            case 126: (length, state) = (0, .length(width: 2, read: 0))
            case 127: (length, state) = (0, .length(width: 8, read: 0))
            default: endLength()
            }
        }

        private mutating func readLength(_ byte: UInt8, width: Int, read: Int) {
            if width == 8 && read == 0 && byte >= 128 { return fail(1002) }
            length = length * 256 + UInt64(byte)
            let missing = UInt64(width - read - 1) * 8
            let lowest = length << missing
            let highest = lowest + (UInt64(1) << missing - 1)
            if highest < (width == 2 ? 126 : 65_536) { return fail(1002) }
            if lowest + announced > UInt64(limits.messageBytesMax) { return fail(1009) }
            state = .length(width: width, read: read + 1)
            if missing == 0 { endLength() }
        }

        private mutating func endLength() {
            if !opcode.isControl {
                announced += length
                if announced > UInt64(limits.messageBytesMax) { return fail(1009) }
            }
            if limits.role == .server { state = .key } else { beginPayload() }
        }

        private mutating func beginPayload() {
            if !opcode.isControl && messageOpcode == nil { messageOpcode = opcode }
            state = .payload
            if length == 0 { endFrame() }
        }

        private mutating func readPayload(_ byte: UInt8) {
            let plain = key.isEmpty ? byte : byte ^ key[payload.count % 4]
            payload.append(plain)
            if !opcode.isControl {
                message.append(plain)
                if messageOpcode == .text {
                    character.append(plain)
                    switch UTF8Oracle.judge(character) {
                    case .whole: character = []
                    case .unfinished: break
                    case .bad: return fail(1007)
                    }
                }
            }
            if payload.count == Int(length) { endFrame() }
        }

        private mutating func endFrame() {
            state = .first
            if opcode.isControl {
                events.append(.control(opcode, payload))
                isOver = opcode == .close
            } else if isFinal {
                if !character.isEmpty { return fail(1007, at: offset + 1) }
                if let messageOpcode { events.append(.message(messageOpcode, message)) }
                (messageOpcode, message, announced) = (nil, [], 0)
                empties = 0
            }
        }
    }
}
