internal import Gateway
internal import Reactor

/// `ProxyHeader`, of both versions: more bytes don't change what was decided.
enum ProxyHeaderTarget {
    static func run(_ input: [UInt8]) {
        let whole = ProxyHeader(input.span)
        var decided: ProxyHeader?
        for count in 0...min(input.count, ProxyHeader.byteCountMax + 1) where decided == nil {
            let piece = Array(input.prefix(count))
            let header = ProxyHeader(piece.span)
            if header != .incomplete { decided = header }
        }
        guard let decided else {
            precondition(whole == .incomplete, "byte by byte matters")
            return
        }
        switch whole {
        case .incomplete:
            preconditionFailure("decided, and then open again")
        case .malformed:
            // Which fault is named may depend on the cut.
            guard case .malformed = decided else {
                preconditionFailure("byte by byte matters")
            }
        case .complete(let count, let source):
            precondition(decided == whole, "byte by byte matters")
            precondition(count > 0 && count <= min(input.count, ProxyHeader.byteCountMax))
            precondition(ProxyHeader(input.span.extracting(0..<count)) == whole)
            if let source { precondition(!source.description.isEmpty) }
        }
    }
}
