package import Reactor

/// One text message of a client, understood (docs/protocol.md). A value of fixed size; a
/// token goes into the caller's buffer.
///
/// Keys that a type doesn't use aren't looked at, and `null` is as good as leaving a key out.
package struct ClientMessage: BitwiseCopyable, Sendable {
    /// What `type` says. A new type of message is a case here with its text, what `init` reads of
    /// it, and what the core does with it; it is counted by itself.
    package enum Kind: UInt8, CaseIterable, BitwiseCopyable, Sendable {
        case joinProject
        case leaveProject
        /// `init`.
        case initialize
        case ping
        case pong
        case presence
        case typing
        case direct
        case ack
        case inbox
        /// A type that the gateway doesn't know; answered with `ErrorCode.unknownType`. The last
        /// one.
        case unknown

        /// The value of `type`, and of the label by which messages are counted.
        package var text: StaticString {
            switch self {
            case .joinProject: "join_project"
            case .leaveProject: "leave_project"
            case .initialize: "init"
            case .ping: "ping"
            case .pong: "pong"
            case .presence: "presence"
            case .typing: "typing"
            case .direct: "direct"
            case .ack: "ack"
            case .inbox: "inbox"
            case .unknown: "unknown"
            }
        }

        /// Whether it may be longer than `--max-message-bytes`: it brings a token, what a user writes, or
        /// many ids.
        package var mayBeLong: Bool { self == .initialize || self == .direct || self == .ack }

        /// The kind whose text is `type`.
        ///
        /// Hot path. It goes through the raw values, because `allCases` is an array.
        fileprivate init(ofType type: borrowing Span<UInt8>) {
            for rawValue in 0..<Self.unknown.rawValue {
                if let kind = Self(rawValue: rawValue), type.isEqual(to: kind.text) {
                    self = kind
                    return
                }
            }
            self = .unknown
        }
    }

    package let kind: Kind
    /// Always there for `joinProject`, `presence` and `typing`; optional for `leaveProject` and
    /// `initialize`.
    package private(set) var project: ProjectID?
    /// `keep` of `joinProject`: the current projects stay subscribed.
    package private(set) var keepsOthers = false
    /// Whether `initialize` brought a token, which is then in the caller's buffer.
    package private(set) var hasToken = false
    /// From where `joinProject` or `initialize` resumes, and what `inbox` has read.
    package private(set) var since: Since?
    /// What `presence` asks for.
    package private(set) var wish = PresenceWish()
    /// `stop` of `typing`, whose topic is in the caller's buffer.
    package private(set) var stopsTyping = false
    /// What `direct` says besides its data, which is in the caller's buffer.
    package private(set) var direct: DirectWords?
    /// What the answer must repeat.
    package let reference: Reference

    /// Reads one message; `text` isn't needed afterwards. `token` is emptied, and filled with the
    /// token of an `init`, with the topic of a `typing`, with the data of a `direct`, with the ids of an `ack`
    /// one behind the other, or with the type of an unknown message, which is a name for the log. The caller has limited the length of `text`.
    ///
    /// Hot path. Allocates nothing as long as `token` has room.
    package init(
        _ text: borrowing Span<UInt8>, token: inout ByteBuffer
    ) throws(ClientMessageError) {
        token.removeAll()
        let document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(text)
        } catch {
            guard let envelope = DirectEnvelope(text, scratch: &token) else {
                throw ClientMessageError(.invalidJSON(error))
            }
            throw ClientMessageError(.invalidJSON(error), of: envelope)
        }
        try self.init(document, text, token: &token)
    }

    /// A step of its own: a local document that values are taken of would live on the heap
    /// (Swift 6.3 doesn't undo the box), a parameter doesn't.
    private init(
        _ document: borrowing JSONDocument, _ text: borrowing Span<UInt8>, token: inout ByteBuffer
    ) throws(ClientMessageError) {
        let root = document.root
        guard root.kind == .object else { throw ClientMessageError(.notAnObject) }
        do throws(ClientMessageError) {
            try self.init(root, text, token: &token)
        } catch {
            var error = error
            if let type = root.memberUnlessNull("type")?.string {
                let kind = Kind(ofType: type)
                error.isOfLongKind = kind.mayBeLong
                if kind == .direct, let id = root.memberUnlessNull("id")?.string {
                    error.directID = UUID(id)
                }
            }
            throw error
        }
    }

    private init(
        _ root: JSONValue, _ text: borrowing Span<UInt8>, token: inout ByteBuffer
    ) throws(ClientMessageError) {
        reference = try Self.reference(in: root)
        guard let typeValue = root.memberUnlessNull("type") else {
            throw ClientMessageError(.missing(.type), reference: reference)
        }
        guard let type = typeValue.string else {
            throw ClientMessageError(.wrongType(.type), reference: reference)
        }
        kind = Kind(ofType: type)
        switch kind {
        case .joinProject:
            try readNeededProject(in: root)
            try readKeep(in: root)
            try readSince(in: root)
        case .leaveProject:
            try readProject(in: root)
        case .initialize:
            try readProject(in: root)
            try readToken(in: root, into: &token)
            try readSince(in: root)
        case .presence:
            try readNeededProject(in: root)
            wish = try PresenceWish(root, reference: reference)
        case .typing:
            try readNeededProject(in: root)
            try readTopic(in: root, into: &token)
            stopsTyping = try Self.bool("stop", .stop, in: root, reference)
        case .direct:
            direct = try DirectWords(root, text, data: &token, reference: reference)
        case .ack:
            try DirectWords.readIDs(in: root, into: &token, reference: reference)
        case .inbox:
            try readSince(in: root)
        case .unknown:
            token.append(type)
        case .ping, .pong:
            break
        }
    }

    static func reference(in root: JSONValue) throws(ClientMessageError) -> Reference {
        guard let value = root.memberUnlessNull("ref") else { return .absent }
        if let integer = value.integer { return Reference(integer: integer) }
        guard let text = value.string else { throw ClientMessageError(.wrongType(.ref)) }
        guard let reference = Reference(text: text) else {
            throw ClientMessageError(.referenceTooLong)
        }
        return reference
    }

    private mutating func readProject(in root: JSONValue) throws(ClientMessageError) {
        guard let value = root.memberUnlessNull("project_id") else { return }
        guard let text = value.string else {
            throw ClientMessageError(.wrongType(.projectID), reference: reference)
        }
        guard let project = ProjectID(text) else {
            throw ClientMessageError(.invalidProject, reference: reference)
        }
        self.project = project
    }

    private mutating func readNeededProject(in root: JSONValue) throws(ClientMessageError) {
        try readProject(in: root)
        guard project != nil else {
            throw ClientMessageError(.missing(.projectID), reference: reference)
        }
    }

    private mutating func readKeep(in root: JSONValue) throws(ClientMessageError) {
        keepsOthers = try Self.bool("keep", .keep, in: root, reference)
    }

    /// A truth value; false when it is left out.
    static func bool(
        _ key: StaticString, _ name: ClientMessageError.Key, in root: JSONValue,
        _ reference: Reference
    ) throws(ClientMessageError) -> Bool {
        guard let value = root.memberUnlessNull(key) else { return false }
        guard let bool = value.bool else {
            throw ClientMessageError(.wrongType(name), reference: reference)
        }
        return bool
    }

    private mutating func readTopic(
        in root: JSONValue, into topic: inout ByteBuffer
    ) throws(ClientMessageError) {
        guard let value = root.memberUnlessNull("topic") else {
            throw ClientMessageError(.missing(.topic), reference: reference)
        }
        guard let text = value.string else {
            throw ClientMessageError(.wrongType(.topic), reference: reference)
        }
        guard !text.isEmpty, text.count <= Limits.topicBytesMax else {
            throw ClientMessageError(.invalid(.topic), reference: reference)
        }
        topic.append(text)
    }

    private mutating func readSince(in root: JSONValue) throws(ClientMessageError) {
        guard let value = root.memberUnlessNull("since") else { return }
        guard let text = value.string else {
            throw ClientMessageError(.wrongType(.since), reference: reference)
        }
        since = Since(text)
    }

    private mutating func readToken(
        in root: JSONValue, into token: inout ByteBuffer
    ) throws(ClientMessageError) {
        guard let value = root.memberUnlessNull("token") else { return }
        guard let text = value.string else {
            throw ClientMessageError(.wrongType(.token), reference: reference)
        }
        token.append(text)
        hasToken = true
    }
}

extension PresenceWish {
    fileprivate init(
        _ root: JSONValue, reference: Reference
    ) throws(ClientMessageError) {
        if let value = root.memberUnlessNull("mode") {
            guard let text = value.string else {
                throw ClientMessageError(.wrongType(.mode), reference: reference)
            }
            guard let mode = Mode(text) else {
                throw ClientMessageError(.invalid(.mode), reference: reference)
            }
            self.mode = mode
        }
        if let value = root.memberUnlessNull("state") {
            guard let text = value.string else {
                throw ClientMessageError(.wrongType(.state), reference: reference)
            }
            isAway = text.isEqual(to: "away")
            guard isAway || text.isEqual(to: "active") else {
                throw ClientMessageError(.invalid(.state), reference: reference)
            }
        }
        isInvisible = try ClientMessage.bool("invisible", .invisible, in: root, reference)
    }
}

extension PresenceWish.Mode {
    /// The mode whose text it is.
    fileprivate init?(_ text: borrowing Span<UInt8>) {
        if text.isEqual(to: Self.users.text) {
            self = .users
        } else if text.isEqual(to: Self.count.text) {
            self = .count
        } else if text.isEqual(to: Self.off.text) {
            self = .off
        } else {
            return nil
        }
    }
}
