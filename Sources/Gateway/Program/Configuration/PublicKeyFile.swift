package import Reactor

/// A PEM file with a public key, as `--jwt-key` names it.
package struct PublicKeyFile: Equatable, Sendable {
    package let path: String
    /// What the key is for, where its kind leaves a choice; `nil` for the usual one.
    package let algorithm: SignatureAlgorithm?

    /// `PATH` or `ALGORITHM:PATH`. A colon behind anything else belongs to the path.
    package init(text: String) {
        for algorithm in SignatureAlgorithm.allCases where algorithm.isCostly {
            let prefix = "\(algorithm.name):"
            guard text.hasPrefix(prefix) else { continue }
            path = String(text.dropFirst(prefix.count))
            self.algorithm = algorithm
            return
        }
        path = text
        algorithm = nil
    }

    /// As `init(text:)` would read it.
    package var text: String {
        guard let algorithm else { return path }
        return "\(algorithm.name):\(path)"
    }
}
