/// The two listeners of the gateway; nothing that one of them serves is reachable through the other.
package enum ListenerRole: UInt8, BitwiseCopyable, Sendable {
    /// For clients.
    case `public`
    /// For operators: probes and metrics.
    case admin
}

/// What a request asks for.
package enum Route: Equatable, Sendable {
    case webSocket
    /// The range is the project's id in the head's bytes, not yet checked to be one.
    case projectStatus(project: Range<Int>)
    /// The loop turns.
    case live
    /// The gateway may be sent clients.
    case ready
    case metrics
    case notFound
    case methodNotAllowed(AllowedMethods)

    /// Paths are compared byte for byte: no decoding, no dot segments, no slash at the end. Those
    /// who know the endpoints write them so, and others learn nothing from near misses.
    package init(
        of head: RequestHead, in bytes: borrowing Span<UInt8>, on listener: ListenerRole
    ) {
        let route =
            switch listener {
            case .public: Self.publicRoute(head.path.range, in: bytes)
            case .admin: Self.adminRoute(head.path.range, in: bytes)
            }
        switch (route, head.method) {
        case (.notFound, _): self = .notFound
        case (.webSocket, .get): self = .webSocket
        case (.webSocket, _): self = .methodNotAllowed(.get)
        case (_, .get), (_, .head): self = route
        case (_, .other): self = .methodNotAllowed(.getAndHead)
        }
    }

    private static func publicRoute(
        _ path: Range<Int>, in bytes: borrowing Span<UInt8>
    ) -> Route {
        if ASCII.isEqual(bytes, path, to: "/api/v1/messages/ws") { return .webSocket }
        let before: StaticString = "/api/v1/projects/"
        guard ASCII.hasPrefix(bytes, path, before) else { return .notFound }
        let start = path.lowerBound + before.utf8CodeUnitCount
        let end =
            ByteSearch.firstIndex(of: UInt8(ascii: "/"), in: start..<path.upperBound, of: bytes)
            ?? path.upperBound
        guard end > start, ASCII.isEqual(bytes, end..<path.upperBound, to: "/ws/status") else {
            return .notFound
        }
        return .projectStatus(project: start..<end)
    }

    private static func adminRoute(
        _ path: Range<Int>, in bytes: borrowing Span<UInt8>
    ) -> Route {
        if ASCII.isEqual(bytes, path, to: "/metrics") { return .metrics }
        if ASCII.isEqual(bytes, path, to: "/livez") { return .live }
        if ASCII.isEqual(bytes, path, to: "/readyz") { return .ready }
        if ASCII.isEqual(bytes, path, to: "/healthz") { return .ready }
        return .notFound
    }
}
