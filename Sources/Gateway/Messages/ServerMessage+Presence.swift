package import Reactor

// Who is present, and who types. The lists are written a user at a time, by whoever has them.
extension ServerMessage {
    /// Whether a user who is present is at the keyboard.
    package enum PresentState: BitwiseCopyable, Sendable {
        case active, away
    }

    /// Begins who is present, whole; `addPresent` adds the users, `endPresenceState` ends it.
    package static func beginPresenceState(
        project: ProjectID, sequence: UInt64, count: Int, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"presence_state","project_id":""#)
        writePlace(project, sequence, count, into: &buffer)
        buffer.append(#","users":["#)
    }

    /// - Parameters:
    ///   - truncated: whether there are users that the list lacks.
    ///   - partial: whether there may be others, at processes that aren't asked.
    package static func endPresenceState(
        truncated: Bool, partial: Bool, into buffer: inout ByteBuffer
    ) {
        buffer.append(truncated ? #"],"truncated":true,"# : #"],"truncated":false,"#)
        buffer.append(partial ? #""partial":true}"# : #""partial":false}"#)
    }

    /// Begins what has changed since the last one: `addPresent` adds those who joined.
    package static func beginPresenceDiff(
        project: ProjectID, sequence: UInt64, count: Int, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"presence_diff","project_id":""#)
        writePlace(project, sequence, count, into: &buffer)
        buffer.append(#","joined":["#)
    }

    /// `addUser` adds those who left.
    package static func continueDiffWithLeft(into buffer: inout ByteBuffer) {
        buffer.append(#"],"left":["#)
    }

    /// `addPresent` adds those who are at the keyboard again, or not any more.
    package static func continueDiffWithChanged(into buffer: inout ByteBuffer) {
        buffer.append(#"],"changed":["#)
    }

    package static func endPresenceDiff(into buffer: inout ByteBuffer) {
        buffer.append("]}")
    }

    /// Adds a user to a list of those who are present.
    package static func addPresent(
        _ user: UserID, _ state: PresentState, isFirst: Bool, to buffer: inout ByteBuffer
    ) {
        buffer.append(isFirst ? #"{"user_id":""# : #",{"user_id":""#)
        user.write(to: &buffer)
        buffer.append(state == .active ? #"","state":"active"}"# : #"","state":"away"}"#)
    }

    /// Adds a user to a list of ids.
    package static func addUser(_ user: UserID, isFirst: Bool, to buffer: inout ByteBuffer) {
        buffer.append(isFirst ? "\"" : ",\"")
        user.write(to: &buffer)
        buffer.append("\"")
    }

    /// Begins who types: `addUser` adds them, `endTyping` ends it.
    package static func beginTyping(
        project: ProjectID, topic: borrowing Span<UInt8>, into buffer: inout ByteBuffer
    ) {
        buffer.append(#"{"type":"typing","project_id":""#)
        project.write(to: &buffer)
        buffer.append(#"","topic":"#)
        JSONString.write(topic, into: &buffer)
        buffer.append(#","user_ids":["#)
    }

    /// - Parameter more: whether more type than the list has.
    package static func endTyping(more: Bool, into buffer: inout ByteBuffer) {
        buffer.append(more ? #"],"more":true,"ttl_ms":"# : #"],"ttl_ms":"#)
        buffer.append(decimal: Limits.typingNanoseconds / 1_000_000)
        buffer.append("}")
    }

    private static func writePlace(
        _ project: ProjectID, _ sequence: UInt64, _ count: Int, into buffer: inout ByteBuffer
    ) {
        project.write(to: &buffer)
        buffer.append(#"","seq":"#)
        buffer.append(decimal: sequence)
        buffer.append(#","count":"#)
        buffer.append(decimal: UInt64(count))
    }
}
