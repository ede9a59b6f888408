internal import Glibc
import Reactor
import Testing

@Suite struct TLSContextBehaviour {
    @Test func `knows from when until when its certificate is valid`() throws {
        let context = try TestCertificate().context()
        let known = context.notAfterUnixSeconds
        let notAfter = try #require(known)
        #expect(notAfter > 4_900_000_000)  // In 2126.
        let begins = context.notBeforeUnixSeconds
        let notBefore = try #require(begins)
        #expect(notBefore < notAfter)
    }

    @Test func `handshakes succeed after a rehearsal, which leaves no error behind`() throws {
        let certificate = try TestCertificate()
        let context = try certificate.context()
        let count = context.rehearse()
        #expect(count == 4)
        for version in TLSVersion.allCases {
            let pair = try TLSPair.established(certificate, version: version)
            let isEstablished = pair.server.isEstablished(0)
            #expect(isEstablished)
        }
    }

    @Test func `names the file that is missing`() throws {
        let certificate = try TestCertificate()
        let failure = #expect(throws: TLSSetupFailure.self) {
            _ = try TLSContext.server(
                certificatePath: certificate.certificatePath, keyPath: "/nowhere/key.pem")
        }
        #expect(failure?.description == "/nowhere/key.pem: No such file or directory")
    }

    @Test func `refuses a file that is no certificate`() throws {
        let certificate = try TestCertificate()
        #expect(throws: TLSSetupFailure.self) {
            _ = try TLSContext.server(
                certificatePath: certificate.keyPath, keyPath: certificate.keyPath)
        }
    }

    @Test func `a key that others can read is known as exposed`() throws {
        let path = try TestCertificate.file("")
        defer { unsafe unlink(path) }
        #expect(!SecretFile.isExposed(path: path))
        unsafe chmod(path, 0o640)
        #expect(SecretFile.isExposed(path: path))
        unsafe chmod(path, 0o604)
        #expect(SecretFile.isExposed(path: path))
        #expect(!SecretFile.isExposed(path: "/nowhere"))
    }
}
