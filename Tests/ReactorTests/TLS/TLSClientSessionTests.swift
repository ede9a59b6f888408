internal import Glibc
import Reactor
import Testing

@Suite struct TLSClientSessionBehaviour {
    /// A server, and a client that believes the system's certificates alone, so not this server's.
    private struct Meeting: ~Copyable {
        var server: TLSSessionTable
        var client: TLSClientSession

        init(certificatePath: String, keyPath: String) throws {
            var server = try TLSSessionTable(capacity: 1)
            try server.accept(
                0, try TLSContext.server(certificatePath: certificatePath, keyPath: keyPath))
            let client = try TLSClientSession(
                try TLSContext.verifyingClient(), to: "gateway.example")
            self.server = server
            self.client = client
        }

        /// What the server answers to the client's first word.
        mutating func flight() throws -> [UInt8] {
            let isOver = try client.establish()
            #expect(!isOver)
            var hello = ByteBuffer()
            client.takeOutput(into: &hello)
            server.receive(hello.bytes)
            _ = server.handshake(0)
            let bytes = server.output.indices.map { server.output[$0] }
            server.truncateOutput(to: 0)
            return bytes
        }

        /// How the handshake fails; `nil` while it waits for more.
        mutating func fault(of bytes: ArraySlice<UInt8>) -> RedisFault? {
            do throws(RedisFault) {
                try client.receive(Array(bytes).span)
                let isOver = try client.establish()
                #expect(!isOver, "nobody trusts this certificate")
                return nil
            } catch {
                return error
            }
        }
    }

    private static let selfSigned = RedisFault.secure("self-signed certificate")

    @Test func `a server that says its part byte by byte gets the same verdict, at the same byte`()
        throws
    {
        let certificate = try TestCertificate()
        var meeting = try Meeting(
            certificatePath: certificate.certificatePath, keyPath: certificate.keyPath)
        let flight = try meeting.flight()
        var verdicts: [Int] = []
        for position in flight.indices {
            guard let fault = meeting.fault(of: flight[position...position]) else { continue }
            #expect(fault == Self.selfSigned)
            verdicts.append(position)
            break
        }
        #expect(verdicts.count == 1)
        var whole = try Meeting(
            certificatePath: certificate.certificatePath, keyPath: certificate.keyPath)
        let again = try whole.flight()
        let fault = whole.fault(of: again[...])
        #expect(fault == Self.selfSigned)
    }

    /// One of these certificates has 432 bytes in the message: 18 are read, and judged, 19 aren't.
    @Test(arguments: [(1, true), (18, true), (19, false), (300, false)])
    func `certificates are read up to 8 KiB, however many a server shows`(
        count: Int, isRead: Bool
    ) throws {
        let certificate = try TestCertificate()
        let chain = try TestCertificate.file(
            Array(repeating: TestCertificate.certificate, count: count).joined())
        defer { unsafe unlink(chain) }
        var meeting = try Meeting(certificatePath: chain, keyPath: certificate.keyPath)
        let flight = try meeting.flight()
        #expect(flight.count > 420 * count)
        let fault = meeting.fault(of: flight[...])
        #expect(fault == (isRead ? Self.selfSigned : .secure("excessive message size")))
    }
}
