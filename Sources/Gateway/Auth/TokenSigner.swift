package import Reactor

/// Makes HS256 tokens: for the command line's `token`, for tests and benchmarks. The gateway
/// itself never issues one.
package enum TokenSigner {
    /// A token for `user` that is valid until `expiresAt` (seconds since 1970), with `iat` where
    /// it is given.
    package static func sign(
        user: UserID, expiresAt: Int64, issuedAt: Int64? = nil, secret: borrowing Span<UInt8>
    ) throws(CryptoFailure) -> String {
        let issued = issuedAt.map { #","iat":\#($0)"# } ?? ""
        return try sign(
            header: #"{"alg":"HS256","typ":"JWT"}"#,
            claims: #"{"sub":"\#(user)"\#(issued),"exp":\#(expiresAt)}"#, secret: secret)
    }

    /// Signs whatever stands in `header` and `claims`, right or wrong.
    package static func sign(
        header: String, claims: String, secret: borrowing Span<UInt8>
    ) throws(CryptoFailure) -> String {
        var token = ByteBuffer(capacity: 512)
        Base64URL.encode(header.utf8Span.span, into: &token)
        token.append(".")
        Base64URL.encode(claims.utf8Span.span, into: &token)
        var mac = try HMACSHA256(key: secret)
        let code = try mac.digest(of: token.bytes)
        token.append(".")
        Base64URL.encode(code.span, into: &token)
        return String(decoding: token)
    }
}
