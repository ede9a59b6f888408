/// Where the parts of a token are in its text (RFC 7515 §3.1).
struct TokenParts {
    let header: Range<Int>
    let claims: Range<Int>
    let signature: Range<Int>

    /// What the signature is over: header, point and claims as they came.
    var signed: Range<Int> { header.lowerBound..<claims.upperBound }

    // Hot path.
    /// `nil` unless there are exactly two points and something at each side of both.
    init?(_ token: borrowing Span<UInt8>) {
        let point = UInt8(ascii: ".")
        let end = token.count
        guard let first = ByteSearch.firstIndex(of: point, in: 0..<end, of: token), first > 0,
            let second = ByteSearch.firstIndex(of: point, in: (first + 1)..<end, of: token),
            second > first + 1, second + 1 < end,
            ByteSearch.firstIndex(of: point, in: (second + 1)..<end, of: token) == nil
        else { return nil }
        header = 0..<first
        claims = (first + 1)..<second
        signature = (second + 1)..<end
    }
}
