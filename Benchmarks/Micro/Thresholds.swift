internal import Reactor

/// How many heap allocations each operation makes at most, in an optimised build: a JSON object of
/// names and numbers, a pair a line. Not exactly: OpenSSL 3.0 makes two for a signature, 3.5 none.
struct Thresholds {
    private let path: String
    private let text: [UInt8]

    init(path: String) throws {
        self.path = path
        text = try FileContents.bytes(at: path, bytesMax: 1 << 16)
    }

    /// One sentence for each benchmark that allocates more than the file allows.
    func differences(from results: [Measured]) throws -> [String] {
        let allowed = try allowances()
        var differences: [String] = []
        for result in results {
            guard let limit = allowed[result.name] else {
                differences.append("\(result.name): \(path) has no number for it")
                continue
            }
            if result.allocations > UInt64(limit * result.operations) {
                differences.append(
                    "\(result.name): \(result.allocations) allocations in "
                        + "\(result.operations) operations, allowed are \(limit) in each")
            }
        }
        for name in allowed.keys.sorted() where !results.contains(where: { $0.name == name }) {
            differences.append("\(name): \(path) has a number, but there is no such benchmark")
        }
        return differences
    }

    /// Names and numbers, one pair a line: `"name": 0,`.
    private func allowances() throws -> [String: Int] {
        let document = try JSONDocument(text.span)
        guard document.root.kind == .object else { throw MicroFailure("\(path): no JSON object") }
        var allowed: [String: Int] = [:]
        let content = String(decoding: text, as: UTF8.self)
        for line in content.split(separator: "\n") {
            let parts = line.split(separator: "\"")
            guard parts.count == 3, let number = Int(parts[2].filter(\.isNumber)) else { continue }
            allowed[String(parts[1])] = number
        }
        return allowed
    }
}
