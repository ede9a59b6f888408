/// What the parent asks workers for.
package enum Question: UInt8, Sendable {
    case live
    case ready
    case metrics

    /// Each question has a connection of its own, whose end is the answer's end.
    var request: StaticString {
        switch self {
        case .live: "GET /livez HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n"
        case .ready: "GET /readyz?verbose HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n"
        case .metrics: "GET /metrics HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n"
        }
    }
}

/// What has come of a question to a worker.
package enum WorkerReply: Equatable, Sendable {
    /// It wasn't asked: it didn't run.
    case unasked
    case awaited
    /// There will be no answer, and nobody needs to wait for one.
    case ended
    case answered(WorkerAnswer)
}

/// A worker's answer to a question.
package struct WorkerAnswer: Equatable, Sendable {
    package let isOK: Bool
    package let body: String

    /// The largest answer that is read: metrics have some 15 KB.
    package static let bytesMax = 1 << 20

    /// Reads everything that came until the connection ended. `nil` when that isn't a whole answer:
    /// the worker ended in the middle of it.
    package init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let headEnd = text.firstRange(of: "\r\n\r\n"),
            let length = Self.length(in: text[..<headEnd.lowerBound])
        else { return nil }
        let body = text[headEnd.upperBound...]
        guard body.utf8.count == length else { return nil }
        isOK = text.hasPrefix("HTTP/1.1 200 ")
        self.body = String(body)
    }

    private static func length(in head: Substring) -> Int? {
        for line in head.split(separator: "\r\n") {
            guard let name = line.firstRange(of: "Content-Length: ") else { continue }
            return Int(line[name.upperBound...])
        }
        return nil
    }
}
