import Reactor
import Testing

@Suite struct TLSTicketKeysBehaviour {
    /// A server that a client has been to, and comes back to with what it got there.
    private struct Visits: ~Copyable {
        var context: TLSContext
        private let client: TLSContext
        private var saved: TLSSavedSession

        init(_ version: TLSVersion) throws {
            let context = try TestCertificate().context()
            let client = try TLSContext.trustingClient(maximum: version)
            var pair = try TLSPair(context, client: client)
            saved = try pair.begin()
            self.context = context
            self.client = client
        }

        /// Whether the client that comes back resumes its session; with `keeping` it takes the new
        /// ticket along.
        mutating func again(keeping: Bool = false) throws -> Bool {
            var pair = try TLSPair(context, client: client, resuming: saved)
            let next = try pair.begin()
            if keeping { saved = next }
            return pair.server.isResumed(0)
        }
    }

    @Test(arguments: TLSVersion.allCases)
    func `a ticket is good until the key behind its own is replaced`(version: TLSVersion) throws {
        var visits = try Visits(version)
        #expect(try visits.again())
        visits.context.rotateTicketKeys()
        #expect(try visits.again())
        visits.context.rotateTicketKeys()
        #expect(try !visits.again())
    }

    @Test(arguments: TLSVersion.allCases)
    func `who comes back gets a ticket by the new key, and resumes day after day`(
        version: TLSVersion
    ) throws {
        var visits = try Visits(version)
        for _ in 0..<5 {
            visits.context.rotateTicketKeys()
            #expect(try visits.again(keeping: true))
        }
    }

    @Test(arguments: TLSVersion.allCases)
    func `keys that are forgotten open no ticket`(version: TLSVersion) throws {
        var visits = try Visits(version)
        visits.context.forgetTicketKeys()
        #expect(try !visits.again(keeping: true))
        #expect(try visits.again())
    }

    @Test func `each context has keys of its own`() throws {
        var visits = try Visits(.v1_3)
        visits.context = try TestCertificate().context()
        #expect(try !visits.again())
    }
}
