package import Reactor

/// What a load balancer says before a connection's first byte about where it comes from: the PROXY
/// protocol of HAProxy, versions 1 (text) and 2 (binary), by haproxy.org's `proxy-protocol.txt`.
package enum ProxyHeader: Equatable, Sendable {
    /// The header goes on; call again with more bytes behind these.
    case incomplete
    /// The header is these first bytes. `source` is where the connection comes from; `nil` when the
    /// balancer itself made it, for a health check, or doesn't know.
    case complete(byteCount: Int, source: SocketAddress?)
    /// The bytes are no header. It can't be guessed what they are, so the connection is closed.
    case malformed(ProxyHeaderFault)

    /// Bytes of a header, extensions included. The standard allows 64 KiB; what balancers send is
    /// under 300, or 2 KiB with a client's certificate in it.
    package static let byteCountMax = 4_096

    /// Reads the header that `bytes` begin with: as soon as they can't be one any more, it is
    /// malformed, however they were cut.
    package init(_ bytes: borrowing Span<UInt8>) {
        self = .incomplete
        guard bytes.count > 0 else { return }
        // The first byte tells the versions apart.
        self = bytes[0] == UInt8(ascii: "P") ? Self.text(bytes) : Self.binary(bytes)
    }
}
