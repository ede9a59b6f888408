/// From which sites a browser's script may open a WebSocket (RFC 6455 §10.2).
///
/// Browsers don't keep scripts of other sites from connecting; what they do is to say in `Origin`
/// whose script it is. A request without one isn't a browser's script, and what it says would be
/// worth nothing: it is let through, since it has to have a token like all others.
package struct OriginPolicy: Equatable, Sendable {
    private var allowsAll = false
    /// The host that the request is for.
    private var allowsSameHost = false
    /// `null`, which sandboxed frames and local files have: anybody's.
    private var allowsNull = false
    private var rules: [OriginRule] = []

    package static let sameHost: OriginPolicy = {
        var policy = OriginPolicy()
        policy.allowsSameHost = true
        return policy
    }()

    /// Origins that can be listed. They are compared one after the other, for each handshake.
    package static let countMax = 64

    private init() {}

    /// Reads a list between commas of `same-host`, `*`, `null`, `https://app.example.com` and
    /// `https://*.example.com`. `nil` if an entry is none of these.
    package init?(text: String) {
        let entries = text.split(separator: ",", omittingEmptySubsequences: false)
        guard entries.count <= Self.countMax else { return nil }
        for entry in entries {
            let words = entry.split(separator: " ")
            guard words.count == 1 else { return nil }
            switch words[0].lowercased() {
            case "*": allowsAll = true
            case "same-host": allowsSameHost = true
            case "null": allowsNull = true
            case let origin:
                guard let rule = OriginRule(origin) else { return nil }
                rules.append(rule)
            }
        }
    }

    /// Refuses a handshake from elsewhere.
    package func check(
        _ head: RequestHead, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) {
        guard head.origin.isPresent else { return }
        guard head.origin.count == 1 else { throw .badRequest("the Origin header came twice") }
        guard allowsAll || allows(head, in: bytes) else { throw .originNotAllowed }
    }

    private func allows(_ head: RequestHead, in bytes: borrowing Span<UInt8>) -> Bool {
        let range = head.origin.range
        if ASCII.isEqual(bytes, range, to: "null") { return allowsNull }
        guard let origin = Origin(range, in: bytes) else { return false }
        if allowsSameHost, Self.isSameHost(origin, as: head.host, in: bytes) { return true }
        for rule in rules where rule.matches(origin, in: bytes) { return true }
        return false
    }

    /// Whether the page was loaded from the host and port that the request is for. A proxy may have
    /// taken TLS off in between, so the scheme says nothing here; a `Host` without a port means the
    /// one of the origin's scheme.
    private static func isSameHost(
        _ origin: Origin, as part: RequestHead.Part, in bytes: borrowing Span<UInt8>
    ) -> Bool {
        guard part.isPresent, let target = Authority(part.range, in: bytes),
            let standard = Origin.defaultPort(of: origin.scheme, in: bytes)
        else { return false }
        return origin.port == target.port ?? standard
            && isEqualIgnoringCase(origin.host, target.host, in: bytes)
    }

    private static func isEqualIgnoringCase(
        _ left: Range<Int>, _ right: Range<Int>, in bytes: borrowing Span<UInt8>
    ) -> Bool {
        guard left.count == right.count else { return false }
        for offset in 0..<left.count {
            let one = ASCII.lowercased(bytes[left.lowerBound + offset])
            let other = ASCII.lowercased(bytes[right.lowerBound + offset])
            guard one == other else { return false }
        }
        return true
    }
}

extension OriginPolicy: CustomStringConvertible {
    /// What `init(text:)` reads back.
    package var description: String {
        var entries: [String] = []
        if allowsAll { entries.append("*") }
        if allowsSameHost { entries.append("same-host") }
        if allowsNull { entries.append("null") }
        return (entries + rules.map(\.text)).joined(separator: ",")
    }
}
