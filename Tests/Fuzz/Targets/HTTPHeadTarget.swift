internal import Gateway
internal import Reactor

/// `RequestHeadParser`, and what reads the parts of a head that it has found.
enum HTTPHeadTarget {
    static func run(_ input: [UInt8]) {
        let whole = parse(input, cuts: [])
        precondition(whole == parse(input, cuts: [input.cut]), "a cut matters")
        precondition(whole == parse(input, cuts: Array(0..<input.count)), "byte by byte matters")
        guard case .complete(let count) = whole.result else { return }
        precondition(count <= input.count && count <= HTTPLimits.headBytesMax)
        // What follows a head has no influence on it.
        precondition(whole == parse(Array(input.prefix(count)), cuts: []))
        read(whole.head, of: input)
    }

    private struct Outcome: Equatable {
        var result = HeadResult.incomplete
        var head = RequestHead()
    }

    private static func parse(_ input: [UInt8], cuts: [Int]) -> Outcome {
        var parser = RequestHeadParser()
        var outcome = Outcome()
        for end in cuts + [input.count] where outcome.result == .incomplete {
            let piece = Array(input.prefix(end))
            outcome.head = RequestHead()
            outcome.result = parser.parse(piece.span, into: &outcome.head)
            precondition(parser.isIdle || outcome.result == .incomplete)
        }
        return outcome
    }

    private static func read(_ head: RequestHead, of input: [UInt8]) {
        let bytes = input.span
        var lines = FieldLines(of: head)
        var lineCount = 0
        while let line = lines.next(in: bytes) {
            precondition(!line.name.isEmpty && line.name.upperBound < line.value.lowerBound + 1)
            var elements = ListElements(of: line.value)
            while let element = elements.next(in: bytes) {
                precondition(!element.isEmpty && line.value.contains(element.lowerBound))
            }
            lineCount += 1
        }
        precondition(lineCount <= HTTPLimits.fieldCountMax)
        _ = ForwardedFor(of: head, in: bytes, trusting: .none)
        for role in [ListenerRole.public, .admin] {
            _ = Route(of: head, in: bytes, on: role)
        }
    }
}
