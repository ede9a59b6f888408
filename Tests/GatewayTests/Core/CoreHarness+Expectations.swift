import GatewayHarness
import Testing

extension CoreHarness {
    /// Expects that all connections are over, were closed once each, and left nothing behind.
    func expectNothingLeft(location: SourceLocation = #_sourceLocation) {
        let closes = sockets.map(\.closeCount)
        #expect(closes.allSatisfy { $0 == 1 }, "\(closes)", sourceLocation: location)
        let left = leftovers
        #expect(left.isEmpty, "\(left)", sourceLocation: location)
    }

    /// Resets every connection and expects that nothing is left.
    mutating func expectNothingLeftAfterResets(location: SourceLocation = #_sourceLocation) {
        for number in sockets.indices { reset(number) }
        settle()
        expectNothingLeft(location: location)
    }
}
