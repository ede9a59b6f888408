import Gateway
import Reactor
import Testing

@Suite struct DirectHintBehaviour {
    private let recipient = "0f8fad5b-d9cb-469f-a165-70867728950e"
    private let sender = "1f8fad5b-d9cb-469f-a165-70867728950e"

    private func sequences(_ payload: String) -> [Int64]? {
        let bytes = Array(payload.utf8)
        guard var hint = DirectHint(bytes.span) else { return nil }
        var sequences: [Int64] = []
        while let sequence = hint.nextSequence(in: bytes.span) { sequences.append(sequence) }
        return sequences
    }

    @Test func `it names two users and rows`() {
        let bytes = Array("a \(recipient) \(sender) 7 8 9223372036854775807".utf8)
        let hint = DirectHint(bytes.span)
        #expect(hint?.isAcknowledgment == true)
        #expect(hint?.recipient == UserID(text: recipient) && hint?.sender == UserID(text: sender))
        #expect(sequences("m \(recipient) \(sender) 7") == [7])
        #expect(sequences("a \(recipient) \(sender) 7 8 9223372036854775807") == [7, 8, .max])
    }

    @Test func `behind a message's row stands its id`() {
        let id = "2f8fad5b-d9cb-469f-a165-70867728950e"
        for (text, isThere) in [
            ("m \(recipient) \(sender) 7 \(id)", true), ("m \(recipient) \(sender) 7", false),
            ("m \(recipient) \(sender) 7 \(id) ", false),
            ("m \(recipient) \(sender) 7 \(id.dropLast())", false),
            ("m \(recipient) \(sender) 7 8 \(id)", false),
            ("a \(recipient) \(sender) 7 \(id)", false),
        ] {
            let bytes = Array(text.utf8)
            var hint = DirectHint(bytes.span)
            let sequence = hint?.nextSequence(in: bytes.span)
            let found = hint?.id(in: bytes.span)
            #expect(sequence == 7)
            #expect(found == (isThere ? UUID(text: id) : nil), "\(text)")
            let next = hint?.nextSequence(in: bytes.span)
            #expect(!isThere || next == nil)
        }
    }

    @Test func `rows end where something else stands`() {
        for (text, expected) in [
            ("x", []), ("1 x 2", [1]), ("0", []), ("-1", []), ("9223372036854775808", []),
            ("1  2", [1]), ("1 ", [1]), ("1 2 ", [1, 2]),
        ] as [(String, [Int64])] {
            #expect(sequences("m \(recipient) \(sender) \(text)") == expected, "\(text)")
        }
    }

    @Test func `cut at any byte it is nothing, or names fewer rows`() {
        let whole = "m \(recipient) \(sender) 12 13"
        for count in 0..<whole.utf8.count {
            let found = sequences(String(whole.prefix(count)))
            #expect(found == nil || [[], [1], [12], [12, 1]].contains(found))
        }
    }

    @Test func `other letters, other separators and too much are nothing`() {
        #expect(sequences("x \(recipient) \(sender) 1") == nil)
        #expect(sequences("m,\(recipient) \(sender) 1") == nil)
        #expect(sequences("m \(recipient),\(sender) 1") == nil)
        #expect(sequences("m \(recipient) \(sender),1") == nil)
        #expect(sequences("m \(recipient) \(sender.dropLast())x 1") == nil)
        let filler = String(repeating: "1 ", count: 4_000)
        #expect(sequences("m \(recipient) \(sender) \(filler)") == nil)
    }
}
