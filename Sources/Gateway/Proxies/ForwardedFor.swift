package import Reactor

/// What a proxy that we trust says about where a request comes from.
package enum ForwardedFor: Equatable, Sendable {
    /// Nothing: the proxy made the request itself.
    case absent
    case client(SocketAddress)
    /// What stands where the client should be is no address. The proxy's own is used then:
    /// nobody gains anything by writing nonsense.
    case invalid

    /// Reads every `X-Forwarded-For` line of `head`, in order, as one list.
    ///
    /// Each proxy adds at the end the address that it was connected from, so what is to be believed
    /// is the right-most address that isn't one of ours; whatever stands left of it was written by
    /// somebody we don't know. If all are ours, it is the left-most.
    package init(
        of head: RequestHead, in bytes: borrowing Span<UInt8>, trusting proxies: TrustedProxies
    ) {
        self = .absent
        guard head.forwardedFor.isPresent else { return }
        var lines = FieldLines(of: head)
        while let line = lines.next(in: bytes) {
            guard ASCII.isEqualIgnoringCase(bytes, line.name, to: "x-forwarded-for") else {
                continue
            }
            var elements = ListElements(of: line.value)
            while let element = elements.next(in: bytes) {
                consider(AddressText.addressWithPort(element, in: bytes), trusting: proxies)
            }
        }
    }

    /// From left to right: the last one that isn't ours stays.
    private mutating func consider(_ address: SocketAddress?, trusting proxies: TrustedProxies) {
        guard let address else {
            self = .invalid
            return
        }
        if self == .absent || !proxies.contains(address) { self = .client(address) }
    }
}
