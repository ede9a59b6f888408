import Gateway
import Testing

@Suite struct RequestHeadCutting {
    static let samples = [
        ParsedRequest.browserHandshake,
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n",
        "\r\n\r\nHEAD http://a.example/x?y HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\0\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: x\r\n\r\n",
        "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    ]

    @Test(arguments: samples)
    func `cut at any byte, the outcome is the same`(sample: String) {
        let bytes = Array(sample.utf8)
        let whole = ParsedRequest(sample)
        #expect(whole.result != .incomplete)
        for cut in 0...bytes.count {
            let parsed = ParsedRequest(bytes: bytes, cuts: [cut])
            #expect(parsed == whole, "cut at \(cut)")
        }
    }

    @Test(arguments: samples)
    func `byte by byte, the outcome is the same`(sample: String) {
        let bytes = Array(sample.utf8)
        #expect(ParsedRequest(bytes: bytes, cuts: 0...bytes.count) == ParsedRequest(sample))
    }

    @Test func `a head is incomplete up to its last byte`() {
        let bytes = Array(ParsedRequest.browserHandshake.utf8)
        for count in 0..<bytes.count {
            #expect(ParsedRequest(bytes: Array(bytes[..<count]), cuts: []).result == .incomplete)
        }
    }

    @Test(arguments: [
        "A: " + String(repeating: "a", count: 20_000), String(repeating: "A: b\r\n", count: 101),
        // The line feed that would complete the line is one byte too late.
        "A: " + String(repeating: "a", count: 16_384 - 15 - 4) + "\r\n\r\n",
    ])
    func `limits are met at the same byte however the head is cut`(fields: String) {
        let bytes = Array(("GET / HTTP/1.0\r\n" + fields).utf8)
        let whole = ParsedRequest(bytes: bytes, cuts: [])
        #expect(whole.failure?.kind == .headerTooLarge)
        #expect(ParsedRequest(bytes: bytes, cuts: 0...bytes.count) == whole)
    }

    @Test func `mutated heads never trap, and end the same however they are cut`() {
        let seed = UInt64.random(in: 0 ... .max)
        print("RequestHeadCutting seed: \(seed)")
        var numbers = SeededNumbers(seed: seed)
        var outcomes = (complete: 0, incomplete: 0, failure: 0)
        for round in 0..<20_000 {
            var bytes = Array(Self.samples[Int.random(in: 0..<4, using: &numbers)].utf8)
            for _ in 0..<Int.random(in: 0...3, using: &numbers) {
                mutate(&bytes, with: &numbers)
            }
            let whole = ParsedRequest(bytes: bytes, cuts: [])
            let cuts = (0..<3).map { _ in Int.random(in: 0...bytes.count, using: &numbers) }
            let parsed = ParsedRequest(bytes: bytes, cuts: cuts.sorted())
            #expect(parsed == whole, "seed \(seed), round \(round)")
            switch whole.result {
            case .complete:
                outcomes.complete += 1
                readEverything(of: whole)
            case .incomplete: outcomes.incomplete += 1
            case .failure: outcomes.failure += 1
            }
        }
        #expect(outcomes.complete > 1_000)
        #expect(outcomes.incomplete > 100)
        #expect(outcomes.failure > 1_000)
    }

    private func mutate(_ bytes: inout [UInt8], with numbers: inout SeededNumbers) {
        let telling = Array("\r\n\0 \t:,;=?&%/#@[]HhTt01aA+\u{7F}\u{E9}".utf8)
        let place = Int.random(in: 0..<max(1, bytes.count), using: &numbers)
        guard place < bytes.count else { return }
        switch Int.random(in: 0..<6, using: &numbers) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &numbers)
        case 1: bytes[place] = telling[Int.random(in: 0..<telling.count, using: &numbers)]
        case 2:
            bytes.insert(
                telling[Int.random(in: 0..<telling.count, using: &numbers)], at: place)
        case 3: bytes.remove(at: place)
        case 4:
            let end = Int.random(in: place...min(place + 60, bytes.count), using: &numbers)
            bytes.insert(contentsOf: bytes[place..<end], at: place)
        default: bytes.removeSubrange(place..<min(place + 20, bytes.count))
        }
    }

    /// Every range of a head must lie within it; reading through each would trap otherwise.
    private func readEverything(of request: ParsedRequest) {
        let head = request.head
        let bytes = request.bytes.span
        for listener in [ListenerRole.public, .admin] {
            _ = Route(of: head, in: bytes, on: listener)
        }
        for outcome in [
            Result { _ = try Query(of: head, in: bytes) },
            Result { _ = try Handshake(of: head, in: bytes) },
            Result { _ = try AuthorizationHeader.bearer(of: head, in: bytes) },
        ] {
            if case .failure(let error) = outcome { #expect(error is HTTPError) }
        }
        for part in [head.methodPart, head.path, head.query, head.host] {
            #expect(request.text(part.range).utf8.count >= part.range.count)
        }
        for field in [
            head.upgrade, head.webSocketKey, head.webSocketVersion, head.webSocketProtocol,
            head.webSocketExtensions, head.authorization, head.origin, head.forwardedFor,
            head.accept,
        ] {
            #expect(request.text(field.range).utf8.count >= field.range.count)
        }
    }
}

/// SplitMix64: the same numbers for the same seed, on every machine.
private struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
