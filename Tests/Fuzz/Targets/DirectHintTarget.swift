internal import Gateway
internal import Reactor

/// `DirectHint`: what was understood, written again, is understood as the same.
enum DirectHintTarget {
    static func run(_ input: [UInt8]) {
        guard let hint = DirectHint(input.span) else { return }
        let sequences = Self.sequences(of: hint, input)
        var again = Array(
            "\(hint.isAcknowledgment ? "a" : "m") \(hint.recipient) \(hint.sender) ".utf8)
        again += Array(sequences.map { String($0) }.joined(separator: " ").utf8)
        precondition(again.count <= input.count)
        // Without a number nothing stands behind the second user.
        guard !sequences.isEmpty else { return }
        guard let same = DirectHint(again.span) else { preconditionFailure("not read again") }
        precondition(
            same.isAcknowledgment == hint.isAcknowledgment && same.recipient == hint.recipient
                && same.sender == hint.sender && Self.sequences(of: same, again) == sequences)
    }

    private static func sequences(of hint: DirectHint, _ payload: [UInt8]) -> [Int64] {
        var hint = hint
        var sequences: [Int64] = []
        while let sequence = hint.nextSequence(in: payload.span) {
            precondition(sequence > 0)
            sequences.append(sequence)
            precondition(hint.id(in: payload.span) == nil || !hint.isAcknowledgment)
        }
        return sequences
    }
}
