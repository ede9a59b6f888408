import Gateway
import Reactor
import Testing

@Suite struct DeflateOfferBehaviour {
    /// The answer to these field lines; `nil` when nothing of them is accepted.
    private func answer(_ values: String...) throws(HTTPError) -> String? {
        let fields = values.map { "Sec-WebSocket-Extensions: \($0)\r\n" }.joined()
        let request = ParsedRequest("GET / HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
        guard
            let offer = try DeflateOffer.first(of: request.head, in: request.bytes.span)
        else { return nil }
        var buffer = ByteBuffer()
        offer.writeAnswer(into: &buffer)
        return String(decoding: buffer)
    }

    private let plain =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

    @Test func `no offer has no answer`() throws {
        #expect(try answer() == nil)
        #expect(try answer("") == nil)
        #expect(try answer(" , ,") == nil)
        #expect(try answer("x-webkit-deflate-frame, permessage-bzip2; level=9") == nil)
    }

    @Test(arguments: [
        "permessage-deflate",  // Firefox and Safari.
        "permessage-deflate ; client_no_context_takeover ;\tserver_no_context_takeover",
        "foo; bar=\"baz\"; x, permessage-deflate",
    ])
    func `both sides are asked to keep no context`(offer: String) throws {
        #expect(try answer(offer) == plain)
    }

    @Test(arguments: [
        ("permessage-deflate; client_max_window_bits", 10),  // Chrome.
        ("permessage-deflate;client_max_window_bits=8", 8),
        ("permessage-deflate; client_max_window_bits=15; server_no_context_takeover", 10),
        ("permessage-deflate; client_max_window_bits=\"10\"", 10),
        ("permessage-deflate; client_max_window_bits = 9", 9),
    ])
    func `a client that can be told takes the window that is kept of it`(
        offer: String, bits: Int
    ) throws {
        #expect(try answer(offer) == plain + "; client_max_window_bits=\(bits)")
    }

    @Test func `only a client that has offered it has promised to keep no context`() throws {
        for (offer, isPromised) in [
            ("permessage-deflate", false), ("permessage-deflate; client_max_window_bits", false),
            ("permessage-deflate; client_no_context_takeover", true),
        ] {
            let request = ParsedRequest(
                "GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Extensions: \(offer)\r\n\r\n")
            let found = try DeflateOffer.first(of: request.head, in: request.bytes.span)
            #expect(found?.promisesNoContextTakeover == isPromised)
        }
    }

    @Test(arguments: 9...15)
    func `the server's window is named when the client has limited it`(bits: Int) throws {
        let offer = "permessage-deflate; server_max_window_bits=\(bits)"
        #expect(try answer(offer) == plain + "; server_max_window_bits=9")
        #expect(try answer("permessage-deflate; server_max_window_bits=\"\(bits)\"") != nil)
    }

    @Test(arguments: [
        "permessage-deflate; unknown", "permessage-deflate; unknown=1",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=1x",
        "permessage-deflate; server_max_window_bits=100000000000000000000",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=00",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "Permessage-Deflate-2", "permessage-deflated",
    ])
    func `parameters that aren't the standard's decline the offer (RFC 7692 §7.1)`(
        offer: String
    ) throws {
        #expect(try answer(offer) == nil)
        // The next one is looked at, in the same line and in another.
        #expect(try answer("\(offer), permessage-deflate") == plain)
        #expect(try answer(offer, "permessage-deflate") == plain)
    }

    @Test func `a window of 256 bytes is declined, of which zlib isn't capable`() throws {
        #expect(try answer("permessage-deflate; server_max_window_bits=8") == nil)
    }

    @Test func `the first offer that can be accepted is`() throws {
        let both = "permessage-deflate; server_max_window_bits=10, permessage-deflate"
        #expect(try answer(both) == plain + "; server_max_window_bits=9")
        #expect(
            try answer("permessage-deflate", "permessage-deflate; server_max_window_bits=10")
                == plain)
    }

    @Test(arguments: [
        ";", "permessage-deflate;", "permessage-deflate; ;x", "permessage-deflate x",
        "permessage-deflate; x=", "permessage-deflate; =1", "permessage-deflate; x=\"",
        "permessage-deflate; x=\"1", "permessage-deflate; x=\"\"", "permessage-deflate; x=\"a b\"",
        "permessage-deflate=1", "permessage-deflate; x=1 2", "(", "permessage-deflate; x=,",
    ])
    func `a field that breaks the grammar is 400 (RFC 6455 §9.1)`(value: String) {
        for values in [value, "permessage-deflate, \(value)"] {
            #expect {
                try answer(values)
            } throws: { error in
                (error as? HTTPError)?.kind == .badRequest
            }
        }
    }
}
