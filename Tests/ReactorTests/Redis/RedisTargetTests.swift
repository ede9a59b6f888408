import Reactor
import Testing

@Suite struct RedisTargetBehaviour {
    private static func read(_ text: String) -> RedisTarget? {
        do throws(RedisTarget.Fault) {
            return try RedisTarget(text)
        } catch {
            // A password may stand in the text.
            #expect(!error.reason.contains("hunter2"), "\(text)")
            return nil
        }
    }

    @Test(arguments: [
        ("redis://host", "host", UInt16(6_379), false, "", ""),
        ("redis://host:1", "host", 1, false, "", ""),
        ("rediss://host:65535/0", "host", 65_535, true, "", ""),
        ("redis://:hunter2@host/15?x=y", "host", 6_379, false, "", "hunter2"),
        ("redis://user:hunter2@[::1]:7", "::1", 7, false, "user", "hunter2"),
        ("redis://[fe80::1]", "fe80::1", 6_379, false, "", ""),
        ("redis://us%40er:p%3Aa%2Fs%25@h", "h", 6_379, false, "us@er", "p:a/s%"),
        ("redis://user:a:b@c@h", "h", 6_379, false, "user", "a:b@c"),
    ])
    func `a URL says where, and who asks`(
        text: String, host: String, port: UInt16, isSecure: Bool, user: String, password: String
    ) throws {
        let target = try #require(Self.read(text))
        #expect(target.place == .host(RedisHost(name: host, port: port)))
        #expect(target.isSecure == isSecure)
        #expect((target.user, target.password) == (user, password))
        #expect(password.isEmpty || !target.masked.contains("hunter2"))
        #expect(!target.name.contains("hunter2") && !target.name.contains("@"))
    }

    @Test func `a Unix socket is a path`() throws {
        let target = try #require(Self.read("unix://u:hunter2@/run/redis/a%20b@c.sock?db=1"))
        #expect(target.place == .path("/run/redis/a b@c.sock"))
        #expect((target.user, target.password) == ("u", "hunter2"))
        #expect(target.isLocal && target.namesToResolve.isEmpty)
        #expect(target.masked == "unix://u:****@/run/redis/a b@c.sock")
    }

    @Test(arguments: [
        "", "host", "redis:/host", "http://host", "redis://", "redis://@", "redis://host:",
        "redis://host:0", "redis://host:65536", "redis://host:+1", "redis://host/a",
        "redis://host/0/1", "redis://[::1", "redis://[::1]x", "redis://user@host",
        "redis://user:hunter2%4@host", "redis://user:hunter2%zz@host", "redis://u:hunter2/x@host",
        "redis://h%00st", "redis://h%ff", "unix://relative", "unix://",
        "redis://a,b", "redis://a%2fb",
        "unix:///" + String(repeating: "x", count: 107),
    ])
    func `another text is none`(text: String) {
        #expect(Self.read(text) == nil)
    }

    @Test(
        arguments: [
            ("redis://localhost", true, "localhost"), ("redis://127.255.0.1", true, nil),
            ("redis://[::1]", true, nil), ("unix:///x", true, nil),
            ("redis://128.0.0.1", false, nil),
            ("redis://[::2]", false, nil),
            ("redis://localhost.example", false, "localhost.example"),
            ("redis://127.0.0.1.example", false, "127.0.0.1.example"),
            ("redis://10.0.0.1", false, nil),
            ("redis://[::ffff:127.0.0.1]", true, nil), ("redis://0.0.0.0", false, nil),
        ] as [(String, Bool, String?)])
    func `only a loopback address, its name and a Unix socket are this host`(
        text: String, isLocal: Bool, name: String?
    ) throws {
        let target = try #require(Self.read(text))
        #expect(target.isLocal == isLocal)
        #expect(target.namesToResolve == (name.map { [$0] } ?? []))
    }

    @Test func `attempts go round the addresses of a name`() throws {
        let target = try #require(Self.read("redis://name:7"))
        let hosts = [ResolvedHost(name: "name", addresses: ["10.0.0.1", "10.0.0.2"])]
        let found = (0..<3).map { attempt in
            switch target.address(resolved: hosts, attempt: attempt) {
            case .network(let address): address.description
            case .local, nil: ""
            }
        }
        #expect(found == ["10.0.0.1:7", "10.0.0.2:7", "10.0.0.1:7"])
        #expect(target.address(resolved: [], attempt: 0) == nil)
    }
}
