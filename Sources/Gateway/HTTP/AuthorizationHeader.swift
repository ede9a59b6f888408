/// Reads `Authorization` (RFC 9110 §11.6.2, RFC 6750 §2.1).
package enum AuthorizationHeader {
    /// Where the token of a Bearer scheme stands; `nil` without the header, or with another scheme,
    /// which may be meant for a proxy on the way. A header that comes twice is a bad request; a
    /// scheme without a token, or with more than one word behind it, is an invalid token.
    package static func bearer(
        of head: RequestHead, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> Range<Int>? {
        guard head.authorization.isPresent else { return nil }
        guard head.authorization.count == 1 else {
            throw .badRequest("the Authorization header came twice")
        }
        let value = head.authorization.range
        let schemeEnd =
            ByteSearch.firstIndex(of: ASCII.space, in: value, of: bytes) ?? value.upperBound
        let scheme = value.lowerBound..<schemeEnd
        guard ASCII.isEqualIgnoringCase(bytes, scheme, to: "bearer") else { return nil }
        let token = ASCII.trimmed(schemeEnd..<value.upperBound, in: bytes)
        guard !token.isEmpty,
            ByteSearch.firstIndex(of: ASCII.space, in: token, of: bytes) == nil
        else { throw .invalidToken }
        return token
    }
}
