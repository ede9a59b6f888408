/// How much of a request the codec reads. A browser's handshake is under 2 KiB; the rest is
/// room for cookies and for long tokens.
package enum HTTPLimits {
    /// Bytes of a request head, from its first byte to the empty line that ends it, both included.
    /// Offsets into a head are kept in sixteen bits, so 64 KiB is the most that this can become.
    package static let headBytesMax = 16_384

    /// Bytes of a request line with its CRLF. RFC 9112 §3 wants at least 8,000 to be possible; a
    /// token in the query is the only long thing that we expect there.
    package static let requestLineBytesMax = 8_192

    /// Header fields of a request: more than any browser behind any proxy sends, and few enough
    /// that a count of them fits a byte.
    package static let fieldCountMax = 100

    /// Empty lines before a request line (RFC 9112 §2.2 asks for tolerance of at least one: old
    /// clients send it after a body).
    package static let leadingEmptyLinesMax = 4
}
