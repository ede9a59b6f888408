package import Reactor

/// Frames as they go by a carrier that others can write to: numbered, and authenticated by a secret that
/// all nodes share (HMAC with SHA-256, RFC 2104). All numbers most significant byte first.
///
///     0xDE, version, kind, codes - 1 | node 8 | epoch 8 | number 8 | body | code 32 | code 32
///
/// The second code is there for a while after a change of the secret, by the former one: so those who
/// have the new one and those who have yet to get it hear each other.
///
/// Who can write to the carrier and doesn't know the secret can only repeat what was said. So numbers
/// of a process only grow, and one that isn't known or was silent, which may have ended long ago, is
/// asked to repeat a word of ours before it is believed. No clock is needed for it.
///
/// A value: the carrier hands in what has come, and sends what `dequeueOutgoing` gives.
package struct Envelopes: ~Copyable {
    package static let version: UInt8 = 1
    static let magic: UInt8 = 0xDE
    static let headerBytes = 28
    static let codeBytes = 32
    /// By the secret, and by the former one.
    static let codesMax = 2
    /// Bytes of an envelope around the longest frame.
    package static let bytesMax = Limits.busFrameBytesMax + headerBytes + codesMax * codeBytes

    enum Kind: UInt8 {
        case frame = 1
        /// Asks a process for a proof: its node, its epoch, and a word.
        case challenge
        /// The word, for the node that has asked.
        case proof
    }

    /// What an envelope was.
    package enum Opened: Equatable, Sendable {
        /// A frame, which stands there, of a process that is believed.
        case frame(Range<Int>)
        /// One of ours that has come back.
        case own(number: UInt64)
        case nothing
    }

    /// An envelope to be sent.
    package struct Outgoing: Sendable {
        /// The node that it is for; `nil` for all.
        package let target: UInt64?
        package let bytes: [UInt8]
    }

    /// A process that is believed.
    private struct Peer: Sendable {
        var epoch: UInt64
        var number: UInt64
        var heardAt: Instant
    }

    /// One that was asked to show that it is there.
    private struct Question: Sendable {
        let process: BusIdentity
        let word: UInt64
        let at: Instant
    }

    /// The secret before the one in use.
    private struct Former: ~Copyable {
        var authentication: HMACSHA256
        let until: Instant
    }

    private let own: BusIdentity
    /// Whether processes of the own host are heard in another way.
    private let skipsOwnHost: Bool
    private var authentication: HMACSHA256
    private var former: Former?
    /// What each code also stands for, so that another system's envelopes are none here.
    private let context: [UInt8]
    private var words: Jitter
    /// By their nodes.
    private var peers: [UInt64: Peer] = [:]
    /// The oldest first.
    private var questions: [Question] = []
    /// What is asked and answered, in its order. It gets its numbers when it is sent, so that those of what
    /// is sent only grow.
    private var outgoing: [(kind: Kind, target: UInt64, body: [UInt8])] = []
    /// Of the last envelope that was made.
    package private(set) var number: UInt64 = 0
    /// Somebody has asked who we are, and doesn't know what we count.
    package var isGreetingDue = false
    package private(set) var figures = EnvelopeFigures()

    /// - Parameters:
    ///   - secret: empty where nobody else can write to the carrier; codes then only find what is broken.
    ///   - prefix: of the carrier's channels, in ASCII.
    ///   - seed: for the words that others are asked to repeat.
    package init(
        _ own: BusIdentity, secret: borrowing Span<UInt8>, prefix: String, skipsOwnHost: Bool,
        seed: UInt64
    ) throws(CryptoFailure) {
        self.own = own
        self.skipsOwnHost = skipsOwnHost
        authentication = try HMACSHA256(key: secret)
        context = Array("devhive bus 1 \(prefix)".utf8)
        words = Jitter(seed: seed)
    }

    /// From here on codes are of another secret. Those of the one before are made too and taken for a
    /// while, until everybody has the new one; those of a still earlier one no more.
    package mutating func change(by secret: consuming HMACSHA256, _ now: Instant) {
        swap(&authentication, &secret)
        former = Former(
            authentication: secret,
            until: now.advanced(byNanoseconds: Limits.busFormerSecretNanoseconds))
    }

    // MARK: Making

    /// The envelope with a frame in it; `nil` when its code can't be computed.
    package mutating func wrap(_ frame: borrowing Span<UInt8>) -> [UInt8]? {
        make(.frame, frame)
    }

    private mutating func make(_ kind: Kind, _ body: borrowing Span<UInt8>) -> [UInt8]? {
        number += 1
        let codeCount = former == nil ? 1 : Self.codesMax
        var envelope = ByteBuffer(
            capacity: Self.headerBytes + body.count + codeCount * Self.codeBytes)
        envelope.append(Self.magic)
        envelope.append(Self.version)
        envelope.append(kind.rawValue)
        envelope.append(UInt8(codeCount - 1))
        envelope.append(bigEndian: own.node)
        envelope.append(bigEndian: own.epoch)
        envelope.append(bigEndian: number)
        envelope.append(body)
        guard let codes = codes(of: envelope.bytes) else { return nil }
        envelope.append(codes.own.span)
        if let former = codes.former { envelope.append(former.span) }
        return envelope.copy()
    }

    /// What stands below such an envelope.
    private struct Codes {
        let own: InlineArray<32, UInt8>
        var former: InlineArray<32, UInt8>?
    }

    private mutating func codes(of bytes: borrowing Span<UInt8>) -> Codes? {
        var text = ByteBuffer(capacity: context.count + bytes.count)
        text.append(context.span)
        text.append(bytes)
        do throws(CryptoFailure) {
            var codes = Codes(own: try authentication.digest(of: text.bytes))
            codes.former = try former?.authentication.digest(of: text.bytes)
            return codes
        } catch {
            return nil
        }
    }

    private mutating func send(_ kind: Kind, _ body: borrowing ByteBuffer, to target: UInt64) {
        guard outgoing.count < Limits.busNodesMax else { return }
        outgoing.append((kind, target, body.copy()))
    }

    /// What has to be sent, besides frames.
    package mutating func dequeueOutgoing() -> Outgoing? {
        guard !outgoing.isEmpty else { return nil }
        let first = outgoing.removeFirst()
        // Without a code it isn't sent, and asked for again.
        guard let bytes = make(first.kind, first.body.span) else { return nil }
        return Outgoing(target: first.target, bytes: bytes)
    }

    // MARK: Opening

    package mutating func open(_ bytes: borrowing Span<UInt8>, _ now: Instant) -> Opened {
        // It is time for it here: while anything is heard, the own frames are, every few seconds.
        if let until = former?.until, until <= now { former = nil }
        guard bytes.count <= Self.bytesMax, bytes.count >= Self.headerBytes + Self.codeBytes,
            bytes[0] == Self.magic, bytes[1] == Self.version, let kind = Kind(rawValue: bytes[2]),
            bytes[3] < Self.codesMax
        else {
            figures.invalid &+= 1
            return .nothing
        }
        let end = bytes.count - (1 + Int(bytes[3])) * Self.codeBytes
        guard end >= Self.headerBytes else {
            figures.invalid &+= 1
            return .nothing
        }
        guard isAuthentic(bytes, upTo: end) else {
            figures.unauthentic &+= 1
            return .nothing
        }
        let sender = BusIdentity(node: bytes.word(at: 4), epoch: bytes.word(at: 12))
        let number = bytes.word(at: 20)
        guard sender.node != own.node else {
            return sender == own && kind == .frame ? .own(number: number) : .nothing
        }
        if skipsOwnHost, sender.isOfHost(of: own) { return .nothing }
        let body = Self.headerBytes..<end
        switch kind {
        case .frame: return openFrame(bytes, body, sender, number, now)
        case .challenge: answer(bytes.extracting(body), of: sender)
        case .proof: prove(bytes.extracting(body), of: sender, number, now)
        }
        return .nothing
    }

    /// Whether one of its codes is of a secret that is known.
    private mutating func isAuthentic(_ bytes: borrowing Span<UInt8>, upTo end: Int) -> Bool {
        guard let known = codes(of: bytes.extracting(0..<end)) else { return false }
        var isOfFormer = false
        for start in stride(from: end, to: bytes.count, by: Self.codeBytes) {
            let code = bytes.extracting(start..<start + Self.codeBytes)
            if ConstantTime.isEqual(known.own.span, code) { return true }
            if let former = known.former, ConstantTime.isEqual(former.span, code) {
                isOfFormer = true
            }
        }
        if isOfFormer { figures.former &+= 1 }
        return isOfFormer
    }

    private mutating func openFrame(
        _ bytes: borrowing Span<UInt8>, _ body: Range<Int>, _ sender: BusIdentity,
        _ number: UInt64, _ now: Instant
    ) -> Opened {
        // The frame says as well whom it is of, and both have to be the same.
        guard body.count >= BusFrame.headerBytes,
            bytes.word(at: body.lowerBound + 4) == sender.node,
            bytes.word(at: body.lowerBound + 12) == sender.epoch
        else {
            figures.invalid &+= 1
            return .nothing
        }
        guard let peer = peers[sender.node], peer.epoch == sender.epoch,
            now.nanoseconds(since: peer.heardAt) < Limits.busFreezeNanoseconds
        else {
            figures.unproven &+= 1
            challenge(sender, now)
            return .nothing
        }
        guard number > peer.number else {
            figures.repeated &+= 1
            return .nothing
        }
        peers[sender.node]?.number = number
        peers[sender.node]?.heardAt = now
        return .frame(body)
    }

    // MARK: Who is believed

    /// Asks a process that isn't known to show that it is there, at most once a second.
    private mutating func challenge(_ sender: BusIdentity, _ now: Instant) {
        questions.removeAll { now.nanoseconds(since: $0.at) >= Limits.busChallengeNanoseconds }
        guard !questions.contains(where: { $0.process == sender }),
            questions.count < Limits.busNodesMax
        else { return }
        let word = words.next()
        questions.append(Question(process: sender, word: word, at: now))
        var body = ByteBuffer()
        body.append(bigEndian: sender.node)
        body.append(bigEndian: sender.epoch)
        body.append(bigEndian: word)
        send(.challenge, body, to: sender.node)
    }

    private mutating func answer(_ body: borrowing Span<UInt8>, of sender: BusIdentity) {
        guard body.count == 24 else {
            figures.invalid &+= 1
            return
        }
        guard body.word(at: 0) == own.node, body.word(at: 8) == own.epoch else { return }
        var proof = ByteBuffer()
        proof.append(bigEndian: sender.node)
        proof.append(bigEndian: body.word(at: 16))
        send(.proof, proof, to: sender.node)
        isGreetingDue = true
    }

    private mutating func prove(
        _ body: borrowing Span<UInt8>, of sender: BusIdentity, _ number: UInt64, _ now: Instant
    ) {
        guard body.count == 16 else {
            figures.invalid &+= 1
            return
        }
        guard body.word(at: 0) == own.node else { return }
        let word = body.word(at: 8)
        guard
            let position = questions.firstIndex(where: {
                $0.process == sender && $0.word == word
            })
        else {
            figures.repeated &+= 1
            return
        }
        questions.remove(at: position)
        guard peers[sender.node] != nil || makeRoom(now) else {
            figures.refused &+= 1
            return
        }
        peers[sender.node] = Peer(epoch: sender.epoch, number: number, heardAt: now)
    }

    /// Of those who are known, who was silent for so long that nothing of it is kept elsewhere makes room.
    private mutating func makeRoom(_ now: Instant) -> Bool {
        guard peers.count >= Limits.busNodesMax else { return true }
        peers = peers.filter {
            now.nanoseconds(since: $0.value.heardAt) < Limits.busRemovalNanoseconds
        }
        return peers.count < Limits.busNodesMax
    }
}
