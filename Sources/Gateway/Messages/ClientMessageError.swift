package import Reactor

/// Why a client's message can't be acted on, and what to answer.
package struct ClientMessageError: Error, BitwiseCopyable, Sendable {
    /// The keys whose value can be at fault.
    package enum Key: BitwiseCopyable, Sendable {
        case type, ref, projectID, keep, token, since, mode, state, invisible, topic, stop
        case id, recipient, data, ttl, receipt, ids
    }

    package enum Fault: Equatable, BitwiseCopyable, Sendable {
        case invalidJSON(JSONError)
        case notAnObject
        case missing(Key)
        /// A value of another JSON type than the key has.
        case wrongType(Key)
        /// A text that the key can't have.
        case invalid(Key)
        case referenceTooLong
        case invalidProject
        /// The data of a direct message is too long.
        case dataTooLong
        /// It has more values than are read, of whatever size.
        case tooManyValues
    }

    package let fault: Fault
    /// The message's `ref`, where it could be read.
    package let reference: Reference
    /// Whether it is a message at fault that may be larger than others.
    package var isOfLongKind = false
    /// The `id` of a direct message, where it could be read.
    package var directID: UUID?

    package init(_ fault: Fault, reference: Reference = .absent) {
        self.fault = fault
        self.reference = reference
    }

    /// Of a direct message of which nothing else could be read.
    init(_ fault: Fault, of envelope: DirectEnvelope) {
        self.init(fault, reference: envelope.reference)
        isOfLongKind = true
        directID = envelope.id
    }

    package var code: ErrorCode {
        switch fault {
        case .invalidProject: .invalidProject
        case .dataTooLong, .tooManyValues: .tooLarge
        default: .badMessage
        }
    }

    /// For the person who wrote the client.
    package var message: StaticString {
        switch fault {
        case .invalidJSON(let error): error.summary
        case .notAnObject: "the message must be a JSON object"
        case .referenceTooLong: "ref must have at most 64 bytes"
        case .invalidProject: "project_id must be a UUID"
        case .dataTooLong: "data must have at most 4096 bytes"
        case .tooManyValues: "data has too many values"
        case .missing(let key):
            switch key {
            case .type: "type is missing"
            case .ref: "ref is missing"
            case .projectID: "project_id is missing"
            case .keep: "keep is missing"
            case .token: "token is missing"
            case .since: "since is missing"
            case .mode: "mode is missing"
            case .state: "state is missing"
            case .invisible: "invisible is missing"
            case .topic: "topic is missing"
            case .stop: "stop is missing"
            case .id: "id is missing"
            case .recipient: "to is missing"
            case .data: "data is missing"
            case .ttl: "ttl_s is missing"
            case .receipt: "receipt is missing"
            case .ids: "ids is missing"
            }
        case .wrongType(let key):
            switch key {
            case .type: "type must be a string"
            case .ref: "ref must be a string or an integer"
            case .projectID: "project_id must be a string"
            case .keep: "keep must be true or false"
            case .token: "token must be a string"
            case .since: "since must be a string"
            case .mode: "mode must be a string"
            case .state: "state must be a string"
            case .invisible: "invisible must be true or false"
            case .topic: "topic must be a string"
            case .stop: "stop must be true or false"
            case .id: "id must be a string"
            case .recipient: "to must be a string"
            case .data: "data must be an object"
            case .ttl: "ttl_s must be an integer"
            case .receipt: "receipt must be true or false"
            case .ids: "ids must be an array of strings"
            }
        case .invalid(let key):
            switch key {
            case .mode: "mode must be users, count or off"
            case .state: "state must be active or away"
            case .topic: "topic must have 1 to 64 bytes"
            case .id: "id must be a UUID"
            case .recipient: "to must be a UUID"
            case .ttl: "ttl_s must be from 1 to 2592000"
            case .ids: "ids must be 1 to 100 UUIDs"
            case .type, .ref, .projectID, .keep, .token, .since, .invisible, .stop, .data, .receipt:
                "a value is not allowed"
            }
        }
    }

    /// Appends the answer.
    package func write(to buffer: inout ByteBuffer) {
        guard let directID else {
            ServerMessage.writeError(code, message: message, reference: reference, into: &buffer)
            return
        }
        ServerMessage.writeNotSent(
            code, message: message, id: directID, reference: reference, into: &buffer)
    }
}
