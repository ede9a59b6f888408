/// Who is let in, and how much those who are in may do: the options that concern it. `nil` means
/// that there is no such limit.
package struct AdmissionLimits: Equatable, Sendable {
    /// Connections on the public listener from one IPv4 address, or one /64 network of IPv6.
    package var connectionsPerAddress: Int?
    /// Connections of one user: WebSockets, and those on which its status answers wait.
    package var connectionsPerUser: Int?
    /// Handshakes of one address in a second.
    package var handshakesPerSecond: Int?
    /// WebSockets that have yet to say who they are.
    package var unauthenticatedConnections: Int?
    /// Messages and pings of one connection in a second.
    package var messagesPerSecond: Int?
    /// Messages of one connection in a minute that are answered with an error.
    package var errorsPerMinute: Int?

    package var origins = OriginPolicy.sameHost
    package var trustedProxies = TrustedProxies.none
    /// Whether each connection on the public listener begins with a PROXY header.
    package var expectsProxyHeader = false

    /// Without limits, for tests and simulations; the program's defaults are `standard`.
    package init() {}

    /// What holds when nothing else is configured. Why each number: docs/deployment.md.
    package static var standard: AdmissionLimits {
        var limits = AdmissionLimits()
        limits.connectionsPerAddress = 1_000
        limits.connectionsPerUser = 100
        limits.handshakesPerSecond = 100
        limits.unauthenticatedConnections = 4_096
        limits.messagesPerSecond = 50
        limits.errorsPerMinute = 30
        return limits
    }
}
