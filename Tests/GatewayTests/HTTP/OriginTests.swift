import Gateway
import Testing

@Suite struct OriginBehaviour {
    /// Whether a handshake of this origin is let through.
    private static func allows(
        _ policy: String, _ origin: String, host: String = "app.example.com"
    ) throws -> Bool {
        let policy = try #require(OriginPolicy(text: policy))
        let request = ParsedRequest(
            "GET / HTTP/1.1\r\nHost: \(host)\r\nOrigin: \(origin)\r\n\r\n")
        try #require(request.isComplete)
        do throws(HTTPError) {
            try policy.check(request.head, in: request.bytes.span)
            return true
        } catch {
            #expect(error == .originNotAllowed)
            return false
        }
    }

    @Test(arguments: [
        ("https://app.example.com", "app.example.com"),
        ("http://app.example.com", "app.example.com"),
        ("https://APP.example.com", "app.EXAMPLE.com"),
        ("https://app.example.com:443", "app.example.com"),
        ("https://app.example.com", "app.example.com:443"),
        ("http://app.example.com", "app.example.com:80"),
        ("http://localhost:3000", "localhost:3000"),
        ("http://[2001:db8::1]:8080", "[2001:DB8::1]:8080"),
        ("http://127.0.0.1", "127.0.0.1:"),
    ])
    private func `the same host is let through by default`(origin: String, host: String) throws {
        #expect(try Self.allows("same-host", origin, host: host))
    }

    @Test(arguments: [
        ("https://evil.example", "app.example.com"),
        ("https://app.example.com.evil.example", "app.example.com"),
        ("https://example.com", "app.example.com"),
        ("https://app.example.com", "app.example.com:8443"),
        ("https://app.example.com:8443", "app.example.com"),
        ("https://app.example.com", "app.example.com:80"),
        ("http://localhost:3000", "localhost:8080"),
        ("file://app.example.com", "app.example.com"),
        ("chrome-extension://app.example.com", "app.example.com"),
        ("null", "app.example.com"), ("", "app.example.com"),
        ("app.example.com", "app.example.com"),
        ("https://app.example.com/", "app.example.com"),
        ("https://user@app.example.com", "app.example.com"),
        ("https://app.example.com https://evil.example", "app.example.com"),
        ("https://", "app.example.com"), ("://app.example.com", "app.example.com"),
        ("https://app.example.com:0443", "app.example.com"),
        ("https://app.example.com:99999", "app.example.com"),
        ("https://app.example.com", ""),
    ])
    private func `everything else is refused`(origin: String, host: String) throws {
        #expect(try !Self.allows("same-host", origin, host: host))
    }

    @Test func `an exact origin is that scheme, host and port alone`() throws {
        let policy = "https://app.example.com, http://localhost:3000"
        for allowed in [
            "https://app.example.com", "HTTPS://App.Example.com:443", "http://localhost:3000",
        ] {
            #expect(try Self.allows(policy, allowed, host: "gateway"))
        }
        for refused in [
            "http://app.example.com", "https://app.example.com:444", "https://x.app.example.com",
            "http://localhost", "https://localhost:3000", "null", "http://gateway",
        ] {
            #expect(try !Self.allows(policy, refused, host: "gateway"))
        }
    }

    @Test func `a wildcard is any name below, not the domain itself and not one that ends like it`()
        throws
    {
        let policy = "https://*.example.com"
        for allowed in ["https://a.example.com", "https://a.b.EXAMPLE.com"] {
            #expect(try Self.allows(policy, allowed))
        }
        for refused in [
            "https://example.com", "https://.example.com", "https://badexample.com",
            "http://a.example.com", "https://a.example.com:8443", "https://a.example.com.evil",
        ] {
            #expect(try !Self.allows(policy, refused))
        }
        #expect(try Self.allows("https://*.example.com:8443", "https://a.example.com:8443"))
    }

    @Test func `an asterisk is everybody, null only when it is listed`() throws {
        #expect(try Self.allows("*", "https://evil.example") && Self.allows("*", "null"))
        #expect(try Self.allows("same-host,null", "null"))
        #expect(try !Self.allows("https://*.example.com", "null"))
    }

    @Test func `without an Origin header nobody is refused`() throws {
        let policy = try #require(OriginPolicy(text: "https://app.example.com"))
        let request = ParsedRequest.get("/")
        try policy.check(request.head, in: request.bytes.span)
    }

    @Test func `two Origin headers are a bad request, even where all are let through`() throws {
        let policy = try #require(OriginPolicy(text: "*"))
        let request = ParsedRequest.get("/", "Origin: https://a", "Origin: https://a")
        #expect(throws: HTTPError.badRequest("the Origin header came twice")) {
            try policy.check(request.head, in: request.bytes.span)
        }
    }

    @Test(arguments: [
        "", ",", "app.example.com", "https://", "https://app.example.com/", "https://*",
        "https://*.*.example.com", "https://a.*.example.com", "https://*example.com",
        "https://app.example.com https://b", "same-host,",
    ])
    private func `a list that isn't one is refused`(text: String) {
        #expect(OriginPolicy(text: text) == nil)
    }

    @Test func `a list is written as it is read`() throws {
        let text = "*,same-host,null,https://app.example.com,https://*.example.com:8443"
        #expect(OriginPolicy(text: text)?.description == text)
    }

    @Test func `64 origins can be listed, 65 can't`() {
        let one = "https://a.example"
        #expect(OriginPolicy(text: Array(repeating: one, count: 64).joined(separator: ",")) != nil)
        #expect(OriginPolicy(text: Array(repeating: one, count: 65).joined(separator: ",")) == nil)
    }
}
