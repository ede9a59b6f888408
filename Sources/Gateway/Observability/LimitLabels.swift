/// The limits on who comes in and what they may do. Each but the memory is a setting.
package enum LimitLabel: UInt8, MetricLabel {
    case origin, address, handshakeRate, user, unauthenticated, messageRate, errorRate, memory

    package var text: StaticString {
        switch self {
        case .origin: "origin"
        case .address: "connections_per_address"
        case .handshakeRate: "handshakes_per_second"
        case .user: "connections_per_user"
        case .unauthenticated: "unauthenticated_connections"
        case .messageRate: "messages_per_second"
        case .errorRate: "errors_per_minute"
        case .memory: "memory"
        }
    }
}

/// What there was no more of for an accepted connection.
package enum DropLabel: UInt8, MetricLabel {
    /// Places for refusals of its address.
    case address
    /// Places at all.
    case places
    /// Time: it had come up with no request, or with none after its last answer, while others had no
    /// place.
    case silent
    /// TLS handshakes of its address.
    case handshakes

    package var text: StaticString {
        switch self {
        case .address: "address"
        case .places: "places"
        case .silent: "silent"
        case .handshakes: "handshakes"
        }
    }
}

/// What is wrong with what a proxy says about where a connection comes from.
package enum ProxyFaultLabel: UInt8, MetricLabel {
    /// An `X-Forwarded-For` whose address is none; the proxy's own is used.
    case forwardedFor
    /// Bytes that are no PROXY header; the connection is closed.
    case header
    /// No whole PROXY header in the time for a handshake; the connection is closed.
    case late
    /// Somebody who isn't a trusted proxy, where only such may connect; the connection is closed.
    case untrusted

    package var text: StaticString {
        switch self {
        case .forwardedFor: "forwarded_for"
        case .header: "proxy_header"
        case .late: "proxy_header_late"
        case .untrusted: "untrusted"
        }
    }
}
