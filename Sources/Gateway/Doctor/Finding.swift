/// What one check of the doctor found: one line.
package struct Finding: Equatable, Sendable {
    package enum Verdict: Equatable, Sendable {
        case ok
        /// It works, worse than it could, or not for as many.
        case warning
        /// The gateway can't do its work like this.
        case failure
    }

    package let verdict: Verdict
    package let subject: String
    /// What is the case.
    package let fact: String
    /// What to do about it; empty when all is well.
    package let advice: String

    package static func ok(_ subject: String, _ fact: String) -> Finding {
        Finding(verdict: .ok, subject: subject, fact: fact, advice: "")
    }

    package static func warning(_ subject: String, _ fact: String, _ advice: String) -> Finding {
        Finding(verdict: .warning, subject: subject, fact: fact, advice: advice)
    }

    package static func failure(_ subject: String, _ fact: String, _ advice: String) -> Finding {
        Finding(verdict: .failure, subject: subject, fact: fact, advice: advice)
    }
}

extension Finding: CustomStringConvertible {
    package var description: String {
        let mark =
            switch verdict {
            case .ok: "ok  "
            case .warning: "warn"
            case .failure: "FAIL"
            }
        return "\(mark)  \(sentence)"
    }

    /// The same without the verdict. Names in it are the database's.
    package var sentence: String {
        "\(subject): \(fact)\(advice.isEmpty ? "" : "; \(advice)")".visible
    }
}
