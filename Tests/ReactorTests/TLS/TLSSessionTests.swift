import Reactor
import Testing

@Suite struct TLSSessionBehaviour {
    let message = Array("a frame of a project".utf8)

    @Test(arguments: TLSVersion.allCases)
    func `both sides read what the other sealed`(_ version: TLSVersion) throws {
        var pair = try TLSPair.established(try TestCertificate(), version: version)
        let name = pair.server.version(0)
        #expect(name == (version == .v1_2 ? "TLSv1.2" : "TLSv1.3"))
        for side in [TLSPair.Side.server, .client] {
            let isSealed = pair.seal(side, message)
            #expect(isSealed)
            let ciphertext = pair.take(side)
            #expect(ciphertext.count > message.count)
            #expect(ciphertext.count <= message.count + 64)
            let reading = pair.read(side == .server ? .client : .server, ciphertext)
            #expect(reading == TLSPair.Reading(bytes: message))
        }
    }

    @Test(arguments: TLSVersion.allCases)
    func `each sealing makes one record, whatever was sealed before`(_ version: TLSVersion) throws {
        var pair = try TLSPair.established(try TestCertificate(), version: version)
        for size in [1, 768, 16_384, 769, 2, 16_384, 768, 769] {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
            let isSealed = pair.seal(.server, bytes)
            #expect(isSealed)
            let ciphertext = pair.take(.server)
            // A header has the record's length at its end (RFC 8446 §5.1).
            #expect(ciphertext.count == 5 + Int(ciphertext[3]) << 8 + Int(ciphertext[4]), "\(size)")
            let reading = pair.read(.client, ciphertext)
            #expect(reading == TLSPair.Reading(bytes: bytes))
        }
    }

    @Test(arguments: TLSVersion.allCases)
    func `a handshake is the same byte by byte`(_ version: TLSVersion) throws {
        var pair = try TLSPair(try TestCertificate(), version: version)
        pair.shakeHands(chunk: 1)
        let isEstablished = pair.server.isEstablished(0) && pair.client.isEstablished(0)
        #expect(isEstablished)
    }

    @Test(arguments: TLSVersion.allCases)
    func `records cut at every byte decrypt to the same bytes`(_ version: TLSVersion) throws {
        var pair = try TLSPair.established(try TestCertificate(), version: version)
        for cut in 0...message.count + 29 {
            _ = pair.seal(.client, message)
            let ciphertext = pair.take(.client)
            let place = min(cut, ciphertext.count)
            let first = pair.read(.server, Array(ciphertext[..<place]))
            let second = pair.read(.server, Array(ciphertext[place...]))
            #expect(first.end == .needsMore)
            #expect(first.bytes + second.bytes == message)
        }
    }

    @Test func `no decrypted byte stays behind, of many records in one receive`() throws {
        var pair = try TLSPair.established(try TestCertificate())
        var expected: [UInt8] = []
        var ciphertext: [UInt8] = []
        for size in [1, 16_384, 700, 16_383, 2] {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: size)
            expected += bytes
            _ = pair.seal(.client, bytes)
            ciphertext += pair.take(.client)
        }
        let reading = pair.read(.server, ciphertext)
        #expect(reading.end == .needsMore)
        #expect(reading.bytes == expected)
    }

    @Test func `a changed byte ends the session with an alert, and nothing is sealed after`() throws
    {
        var pair = try TLSPair.established(try TestCertificate())
        _ = pair.seal(.client, message)
        var ciphertext = pair.take(.client)
        ciphertext[ciphertext.count - 1] ^= 1
        let reading = pair.read(.server, ciphertext)
        #expect(reading.bytes.isEmpty)
        guard case .failed(let fault) = reading.end else {
            Issue.record("\(reading.end)")
            return
        }
        #expect(fault.kind == .malformed)
        let alert = pair.take(.server)
        #expect(!alert.isEmpty)
        let isSealed = pair.seal(.server, message)
        #expect(!isSealed)
        pair.server.finish(0)
        let more = pair.take(.server)
        #expect(more.isEmpty)
    }

    @Test func `close_notify is said once, and heard as an end`() throws {
        var pair = try TLSPair.established(try TestCertificate())
        _ = pair.seal(.server, message)
        pair.server.finish(0)
        pair.server.finish(0)
        let isSealed = pair.seal(.server, message)
        #expect(!isSealed)
        let reading = pair.read(.client, pair.take(.server))
        #expect(reading.bytes == message)
        #expect(reading.end == .endOfStream)
    }

    @Test func `HTTP on the port is known for what it is, and gets no alert`() throws {
        var pair = try TLSPair(try TestCertificate())
        let result = pair.step(.server, Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
        guard case .failed(let fault) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(fault.kind == .plaintext)
        let output = pair.take(.server)
        #expect(output.isEmpty)
    }

    @Test func `an error of one session is not taken for one of another`() throws {
        var pair = try TLSPair.established(try TestCertificate())
        // Another session of the same thread fails and leaves an error behind.
        try pair.server.accept(1, try TestCertificate().context())
        pair.server.receive(Array("this is not a ClientHello at all".utf8).span)
        _ = pair.server.handshake(1)
        pair.server.truncateOutput(to: 0)
        // An empty read is then no failure of the healthy one.
        let reading = pair.read(.server, [])
        #expect(reading.end == .needsMore)
        _ = pair.seal(.client, message)
        let next = pair.read(.server, pair.take(.client))
        #expect(next.bytes == message)
    }

    @Test func `a session survives the context that it was made with`() throws {
        var pair = try TLSPair.established(try TestCertificate())
        pair.server.remove(1)  // Nothing to remove.
        #expect(pair.server.count == 1)
        _ = pair.seal(.server, message)
        let reading = pair.read(.client, pair.take(.server))
        #expect(reading.bytes == message)
    }

    @Test func `random bytes for a ClientHello fail, and never trap`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed", seed)
        var generator = SplitMix(state: seed)
        let certificate = try TestCertificate()
        for _ in 0..<200 {
            var pair = try TLSPair(certificate)
            _ = pair.step(.client, [])
            var hello = pair.take(.client)
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let place = Int.random(in: 0..<hello.count, using: &generator)
                hello[place] = UInt8.random(in: 0...255, using: &generator)
            }
            switch pair.step(.server, hello) {
            case .established: Issue.record("a client that has said hello only")
            case .needsMore, .failed: break
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
