internal import Reactor

/// What a token's header asks for (RFC 7515 §4.1). Nothing of it is believed: it chooses among the
/// keys that there are.
enum TokenHeader {
    /// The keys that the token may be signed with.
    static func candidates(
        _ document: borrowing JSONDocument, in ring: borrowing KeyRing
    ) throws(TokenError) -> KeySelection {
        let header = document.root
        guard header.kind == .object else { throw .notAnObject(.header) }
        guard let name = header.member("alg")?.string else { throw .algorithmMissing }
        guard let algorithm = SignatureAlgorithm(name) else { throw .algorithmNotAllowed }
        guard header.member("crit") == nil else { throw .criticalExtension }
        guard let keyID = header.member("kid") else {
            return try ring.candidates(for: algorithm, keyID: nil)
        }
        guard let text = keyID.string else { throw .keyUnknown }
        return try ring.candidates(for: algorithm, keyID: text)
    }
}

extension SignatureAlgorithm {
    /// The algorithm of this name, which is the only one that it has.
    fileprivate init?(_ name: borrowing Span<UInt8>) {
        for algorithm in SignatureAlgorithm.allCases where name.isEqual(to: algorithm.name) {
            self = algorithm
            return
        }
        return nil
    }
}
