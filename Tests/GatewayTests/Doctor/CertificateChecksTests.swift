import Gateway
import Testing

@Suite struct CertificateChecksBehaviour {
    private static let now = Timestamp(unixSeconds: 1_800_000_000)

    private static func findings(
        secondsSince: Int64? = 1, secondsLeft: Int64?, isKeyExposed: Bool = false
    ) -> [Finding] {
        let notBefore = secondsSince.map { Timestamp(unixSeconds: 1_800_000_000 - $0) }
        let notAfter = secondsLeft.map { Timestamp(unixSeconds: 1_800_000_000 + $0) }
        return CertificateChecks(
            notBefore: notBefore, notAfter: notAfter, isKeyExposed: isKeyExposed
        ).findings(at: now)
    }

    @Test(
        arguments: [
            (CertificateChecks.renewalSeconds, .ok),
            (CertificateChecks.renewalSeconds - 1, .warning), (1, .warning), (0, .failure),
            (-86_400, .failure), (nil, .ok),
        ] as [(Int64?, Finding.Verdict)])
    func `one that ends soon is warned about, and one that has ended fails`(
        secondsLeft: Int64?, verdict: Finding.Verdict
    ) {
        let findings = Self.findings(secondsLeft: secondsLeft)
        #expect(findings.map(\.verdict) == [verdict])
    }

    @Test(arguments: [(0, .ok), (-1, .failure), (nil, .ok)] as [(Int64?, Finding.Verdict)])
    func `one that isn't valid yet fails`(secondsSince: Int64?, verdict: Finding.Verdict) {
        let findings = Self.findings(
            secondsSince: secondsSince, secondsLeft: CertificateChecks.renewalSeconds)
        #expect(findings.map(\.verdict) == [verdict])
    }

    @Test func `a key that others can read is a finding of its own`() {
        let findings = Self.findings(
            secondsLeft: CertificateChecks.renewalSeconds, isKeyExposed: true)
        #expect(findings.map(\.verdict) == [.ok, .warning])
    }
}
