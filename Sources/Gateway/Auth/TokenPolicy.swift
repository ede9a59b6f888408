/// What is asked of a token's claims beyond its own dates.
package struct TokenPolicy: Sendable {
    /// Of which `iss` must be one; any, and none, will do when there are none.
    package var issuers: [[UInt8]] = []
    /// Of which `aud` must name one; likewise.
    package var audiences: [[UInt8]] = []
    /// How far the clocks of issuer and gateway may differ, in seconds.
    package var leewaySeconds: Int64 = 30

    package init() {}

    static func contains(_ names: [[UInt8]], _ name: borrowing Span<UInt8>) -> Bool {
        for candidate in names where candidate.count == name.count {
            if candidate.indices.allSatisfy({ candidate[$0] == name[$0] }) { return true }
        }
        return false
    }
}
