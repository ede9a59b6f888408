internal import Gateway
internal import Reactor

/// An utterance as bytes on the wire, and what answers it.
struct Speech {
    private(set) var bytes: [UInt8] = []
    private(set) var expectation: Expectation?
    /// Whether the gateway has to answer as it answers those who keep to the protocol.
    private(set) var isLawful = true

    init(
        _ utterance: Utterance, reference: Int, frames: Int, isCompressed: Bool,
        wallSeconds: Int64, heardCommit: Int, commits: Int, gotten: Set<Int> = []
    ) {
        let frames = isCompressed ? 0 : frames
        switch utterance {
        case .join(let project, let keep):
            let text =
                #"{"type":"join_project","project_id":"\#(Names.project(project))","#
                + #""keep":\#(keep),"ref":\#(reference)}"#
            bytes = Self.text(text, frames)
            expectation = .outcome(
                reference: reference,
                .join(project: project, keep: keep, sinceCommit: heardCommit))
        case .resume(let project, let commitsAgo):
            let since = max(0, commits + 1 - commitsAgo)
            let text =
                #"{"type":"join_project","project_id":"\#(Names.project(project))","#
                + #""keep":true,"since":"\#(since)","ref":\#(reference)}"#
            bytes = Self.text(text, frames)
            expectation = .resume(
                reference: reference, project: project, since: since, sinceCommit: heardCommit)
        case .resumeSilently(let project, let commitsAgo, let times):
            let since = max(0, commits + 1 - commitsAgo)
            let text =
                #"{"type":"join_project","project_id":"\#(Names.project(project))","#
                + #""keep":true,"since":"\#(since)"}"#
            for _ in 0..<times { bytes += Self.text(text, frames) }
            isLawful = false
        case .leave(let project):
            let named = project.map { #""project_id":"\#(Names.project($0))","# } ?? ""
            bytes = Self.text(
                #"{"type":"leave_project",\#(named)"ref":\#(reference)}"#, frames)
            expectation = .outcome(reference: reference, .leave(project: project))
        case .initialize(let user, let project, let seconds):
            let expiresAt = wallSeconds + Int64(seconds)
            var text = #"{"type":"init","ref":\#(reference)"#
            if let user {
                text += #","token":"\#(Tokens.make(user: user, expiresAt: expiresAt))""#
            }
            if let project { text += #","project_id":"\#(Names.project(project))""# }
            bytes = Self.text(text + "}", frames)
            expectation = .outcome(
                reference: reference,
                .initialize(
                    user: user, project: project, expiresAt: expiresAt, sinceCommit: heardCommit))
        case .presence(let project, let wish):
            let text =
                #"{"type":"presence","project_id":"\#(Names.project(project))","#
                + #""mode":"\#(wish.mode.text)","state":"\#(wish.isAway ? "away" : "active")","#
                + #""invisible":\#(wish.isInvisible),"ref":\#(reference)}"#
            bytes = Self.text(text, frames)
            expectation = .outcome(reference: reference, .presence(project: project, wish))
        case .typing(let project, let topic, let stops):
            let text =
                #"{"type":"typing","project_id":"\#(Names.project(project))","#
                + #""topic":"\#(topic)","stop":\#(stops),"ref":\#(reference)}"#
            bytes = Self.text(text, frames)
            expectation = .outcome(reference: reference, .none)
        case .direct(let user, let id, let count):
            let filler = String(repeating: "x", count: count)
            let text =
                #"{"type":"direct","id":"\#(Names.message(id))","to":"\#(Names.user(user))","#
                + #""data":{"t":"\#(filler)"},"ref":\#(reference)}"#
            bytes = Self.text(text, frames)
            expectation = .direct(
                reference: reference, .init(id: id, isLong: text.utf8.count > 512))
        case .acknowledge:
            let ids = gotten.sorted().prefix(Limits.directAcksMax)
            guard !ids.isEmpty else { return }
            let list = ids.map { #""\#(Names.message($0))""# }.joined(separator: ",")
            let text = #"{"type":"ack","ids":[\#(list)],"ref":\#(reference)}"#
            bytes = Self.text(text, frames)
            expectation = .direct(
                reference: reference, .init(id: nil, isLong: text.utf8.count > 512))
        case .inbox:
            bytes = Self.text(#"{"type":"inbox","ref":\#(reference)}"#, frames)
            expectation = .direct(reference: reference, .init(id: nil, isInbox: true))
        case .ping:
            bytes = Self.text(#"{"type":"ping","ref":\#(reference)}"#, frames)
            expectation = .pongText(reference: reference)
        case .pong:
            bytes = Self.text(#"{"type":"pong","ref":\#(reference)}"#, frames)
            expectation = .outcome(reference: reference, .none)
        case .pingFrame(let count):
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &+ reference) }
            bytes = Self.frame(0x89, payload)
            expectation = .pongFrame(payload)
        case .pongFrame:
            bytes = Self.frame(0x8A, [])
        case .unknownType:
            bytes = Self.text(#"{"type":"nonsense","ref":\#(reference)}"#, frames)
            expectation = .outcome(reference: reference, .none)
        case .notJSON:
            bytes = Self.text(#"{"type":"#, frames)
            expectation = .error(code: "bad_message")
        case .close(let code):
            let payload = code.map { [UInt8($0 >> 8 & 0xFF), UInt8($0 & 0xFF)] } ?? []
            bytes = Self.frame(0x88, payload)
            isLawful = false
        case .violation(let kind):
            bytes = Self.violation(kind)
            isLawful = false
        case .noise(let seed):
            var random = Jitter(seed: seed)
            bytes = (0..<1 + random.below(200)).map { _ in UInt8(random.below(256)) }
            isLawful = false
        }
    }

    /// A text message in so many frames, with pongs, which nobody answers, in between; in one that is
    /// compressed with zero.
    private static func text(_ text: String, _ frames: Int) -> [UInt8] {
        let payload = Array(text.utf8)
        guard frames > 0 else { return frame(0xC1, compressed(payload)) }
        guard frames > 1 else { return frame(0x81, payload) }
        let size = (payload.count + frames - 1) / frames
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: payload.count, by: size) {
            let part = Array(payload[start..<min(start + size, payload.count)])
            let isLast = start + size >= payload.count
            bytes += frame((start == 0 ? 0x01 : 0x00) | (isLast ? 0x80 : 0), part)
            if !isLast { bytes += frame(0x8A, [1, 2, 3]) }
        }
        return bytes
    }

    private static func compressed(_ payload: [UInt8]) -> [UInt8] {
        var deflater = Deflater(windowBits: 15)
        var compressed = ByteBuffer()
        deflater.compress(payload.span, into: &compressed)
        return compressed.copy()
    }

    /// A client's frame (RFC 6455 §5.2).
    private static func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let key: [UInt8] = [0x17, 0x2A, 0xF0, UInt8(truncatingIfNeeded: payload.count)]
        var bytes = [first]
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else {
            bytes += [0xFE, UInt8(payload.count >> 8 & 0xFF), UInt8(payload.count & 0xFF)]
        }
        bytes += key
        for (position, byte) in payload.enumerated() { bytes.append(byte ^ key[position % 4]) }
        return bytes
    }

    private static func violation(_ kind: Int) -> [UInt8] {
        switch kind {
        case 0: [0x81, 0x02, 0x68, 0x69]  // Not masked.
        case 1: frame(0xC1, [0x68])  // A reserved bit.
        case 2: frame(0x83, [])  // A reserved opcode.
        case 3: frame(0x82, [1, 2])  // Binary.
        case 4: frame(0x09, [])  // A ping that isn't final.
        case 5: frame(0x80, [0x68])  // A continuation of nothing.
        case 6: frame(0x81, [0xC3, 0x28])  // Not UTF-8.
        case 7: [0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]
        case 8: frame(0x88, [0x03])  // Half of a code.
        case 9: frame(0x81, Array(repeating: 0x20, count: 9_000))
        default: frame(0x81, Array(#"{"type":"ping"}"#.utf8) + Array(repeating: 0x20, count: 600))
        }
    }
}

extension Utterance {
    /// How many kinds of violations there are.
    static let violationCount = 11
}
