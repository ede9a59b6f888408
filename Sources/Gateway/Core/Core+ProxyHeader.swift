internal import Reactor

// The PROXY header, before anything else that a connection says: before HTTP, and before TLS, whose
// engine reads the socket from behind it.
extension Core {
    /// Whether the connection's next bytes belong to a PROXY header.
    package func awaitsProxyHeader(_ index: ClientIndex) -> Bool {
        clients[index].phase == .proxyHeader
    }

    /// Reads the header in `bytes`: what was left over the last time, and what the socket holds
    /// behind it.
    ///
    /// - Parameter leftoverCount: how many of the bytes were left over.
    /// - Returns: how many bytes the caller has to take out of the socket: those of the header, and
    ///   not one of what follows it.
    package mutating func takeProxyHeader(
        in bytes: borrowing Span<UInt8>, leftoverCount: Int, from index: ClientIndex
    ) -> Int {
        forgetLeftover(of: index)
        let received = bytes.count - leftoverCount
        switch ProxyHeader(bytes) {
        case .incomplete:
            keepLeftover(bytes, from: 0, of: index)
            return received
        case .complete(let byteCount, let source):
            clients[index].phase = .request
            clients[index].heardTick = nowTick
            // Without a source it is the balancer's own connection, which isn't counted.
            if let source, !beginLimits(of: index, onBehalfOf: source) { finish(index) }
            // Less than the whole header was there before, or it would have been read then.
            return byteCount - leftoverCount
        case .malformed(let fault):
            metrics.proxyFaults[.header] += 1
            let peer = clients[index].peer
            log.proxyFault(fault.text, address: peer.description, at: now)
            finish(index)
            return received
        }
    }
}
