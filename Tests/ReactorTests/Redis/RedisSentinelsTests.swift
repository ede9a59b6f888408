import Reactor
import Testing

@Suite struct RedisSentinelsBehaviour {
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
        ("redis+sentinel://a/name", ["a:26379"], "name", false, "", ""),
        (
            "redis+sentinel://a:1,b,[::1]:7,[fe80::1]/n",
            ["a:1", "b:26379", "[::1]:7", "[fe80::1]:26379"], "n",
            false, "", ""
        ),
        (
            "rediss+sentinel://:hunter2@a,a/My.name_0-1/15", ["a:26379", "a:26379"], "My.name_0-1",
            true, "",
            "hunter2"
        ),
        (
            "redis+sentinel://us%40er:hunter2%2C@a:65535/%6eame/", ["a:65535"], "name", false,
            "us@er",
            "hunter2,"
        ),
        (
            "redis+sentinel://u:hunter2,@b,c@a,d/n?", ["a:26379", "d:26379"], "n", false, "u",
            "hunter2,@b,c"
        ),
        (
            "redis+sentinel://1,2,3,4,5,6,7,8/n",
            (1...8).map { "\($0):26379" }, "n", false, "", ""
        ),
    ])
    func `a URL names up to eight Sentinels, and what they call the primary`(
        text: String, hosts: [String], name: String, isSecure: Bool, user: String, password: String
    ) throws {
        let target = try #require(Self.read(text))
        let sentinels = try #require(target.sentinels)
        #expect(sentinels.hosts.map(\.description) == hosts)
        #expect(sentinels.primary == name && !sentinels.areAuthenticated)
        #expect(target.isSecure == isSecure)
        #expect((target.user, target.password) == (user, password))
        #expect(target.host == nil && target.address(resolved: [], attempt: 0) == nil)
        #expect(!target.isLocal)
        let masked = password.isEmpty ? "" : "\(user):****@"
        let scheme = isSecure ? "rediss+sentinel" : "redis+sentinel"
        #expect(target.masked == "\(scheme)://\(masked)\(hosts.joined(separator: ","))/\(name)")
        #expect(!target.name.contains("@"))
    }

    @Test func `Sentinels are told the password only when the URL says so`() throws {
        let target = try #require(
            Self.read("redis+sentinel://u:hunter2@a/name/0?sentinel-auth=same"))
        #expect(target.sentinels?.areAuthenticated == true)
        #expect(target.masked == "redis+sentinel://u:****@a:26379/name?sentinel-auth=same")
        // Another target: SIGHUP connects anew for it.
        #expect(target != Self.read("redis+sentinel://u:hunter2@a/name/0"))
    }

    @Test(arguments: [
        "redis+sentinel://", "redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel:///name",
        "redis+sentinel://,/name", "redis+sentinel://a,/name", "redis+sentinel://,a/name",
        "redis+sentinel://a,,b/name", "redis+sentinel://a:/name", "redis+sentinel://a:0/name",
        "redis+sentinel://a:65536/name", "redis+sentinel://a:+1/name",
        "redis+sentinel://a:1x,b/name",
        "redis+sentinel://a,b:4294967297/name", "redis+sentinel://::1/name",
        "redis+sentinel://[::1/name", "redis+sentinel://[::1]x/name", "redis+sentinel://a/na%20me",
        "redis+sentinel://a/na%00me", "redis+sentinel://a/n%ff", "redis+sentinel://a/n%4",
        "redis+sentinel://a/nämе", "redis+sentinel://a/na,me", "redis+sentinel://a/name/x",
        "redis+sentinel://a/name/0/1", "redis+sentinel://a//0", "redis+sentinel://user@a/name",
        "redis+sentinel://u:hunter2/x@a/name", "redis+sentinel://u:hunter2%zz@a/name",
        "redis+sentinel://1,2,3,4,5,6,7,8,9/n", "redis+sentinel://a/name?sentinel-auth=same",
        "redis+sentinel://u:hunter2@a/name?sentinel-auth=other",
        "redis+sentinel://u:hunter2@a/name?sentinel-auth=same&x=y",
        "redis+sentinel://u:hunter2@a/name#sentinel-auth=same", "redis+sentinel://a/name?db=1",
        "redis-sentinel://a/name", "sentinel://a/name", "REDIS+SENTINEL://a/name",
        "redis+sentinel://h%00st/name", "redis+sentinel://a/" + String(repeating: "n", count: 129),
        "unix+sentinel://a/name", "redis+sentinel://a%2fb/name", "redis+sentinel://[[a]/name",
        "redis+sentinel://a b/name", "redis+sentinel://a%2cb/name",
    ])
    func `another text is none`(text: String) {
        #expect(Self.read(text) == nil)
    }

    @Test func `noise is a target that says what it was read from, or none`() {
        var random = Jitter(seed: 11)
        let pieces = [
            "redis+sentinel://", "rediss+sentinel://", "a", "host", ",", ":", "/", "@", "[", "]",
            "::1", "%",
            "%2f", "%00", "?", "#", "sentinel-auth=same", "0", "26379", "ä", "\u{0}", " ",
            "127.0.0.1",
        ]
        for _ in 0..<5_000 {
            let text = (0..<random.next() % 12).reduce(into: "redis+sentinel://") { text, _ in
                text += pieces[Int(random.next() % UInt64(pieces.count))]
            }
            guard let target = Self.read(text) else { continue }
            guard let sentinels = target.sentinels else {
                Issue.record("not of Sentinels: \(text)")
                continue
            }
            #expect((1...RedisSentinels.hostsMax).contains(sentinels.hosts.count))
            guard !sentinels.areAuthenticated, !text.contains("%") else { continue }
            #expect(Self.read(target.name)?.place == target.place, "\(text)")
        }
    }

    // MARK: What they answer

    private static func array(_ texts: String...) -> RedisReply {
        RedisReply(kind: .array, texts: texts.map { Array($0.utf8) })
    }

    private static func answer(_ reply: RedisReply) -> RedisSentinels.Answer {
        RedisSentinels.answer(reply)
    }

    @Test(arguments: [
        ("10.0.0.1", "6379", "10.0.0.1:6379"), ("::1", "1", "[::1]:1"),
        ("redis-0.redis_x.internal", "65535", "redis-0.redis_x.internal:65535"),
        ("localhost", "7", "localhost:7"),
    ])
    func `an address or a name with a port is where the primary is`(
        host: String, port: String, expected: String
    ) {
        guard case .primary(let primary) = Self.answer(Self.array(host, port)) else {
            Issue.record("\(host):\(port) isn't taken")
            return
        }
        #expect(primary.description == expected)
    }

    @Test(arguments: [
        ["10.0.0.1"], [], ["10.0.0.1", "6379", "x"], ["", "6379"], ["0.0.0.0", "6379"],
        ["::", "6379"],
        ["::ffff:0.0.0.0", "6379"], ["10.0.0.1", ""], ["10.0.0.1", "0"], ["10.0.0.1", "65536"],
        ["10.0.0.1", "-1"], ["10.0.0.1", "+1"], ["10.0.0.1", " 1"], ["10.0.0.1", "1\n"],
        ["10.0.0.1", "99999999999999999999"], ["a b", "1"], ["a\u{0}", "1"],
        ["127.0.0.1\u{0}", "1"],
        ["a\r\nb", "1"], ["ä", "1"], ["user@host", "1"], ["a/b", "1"], ["fe80::1%eth0", "1"],
        ["[::1]", "1"], [String(repeating: "a", count: 254), "1"],
    ])
    func `another array is none`(texts: [String]) {
        let reply = RedisReply(kind: .array, texts: texts.map { Array($0.utf8) })
        #expect(Self.answer(reply) == .odd)
    }

    @Test func `bytes that aren't text are no host`() {
        #expect(Self.answer(RedisReply(kind: .array, texts: [[0xFF, 0xFE], [0x31]])) == .odd)
        #expect(Self.answer(RedisReply(kind: .array, texts: [[0x61], [0xB2]])) == .odd)
    }

    @Test func `what is no array says so`() {
        #expect(Self.answer(RedisReply(kind: .null)) == .unknownName)
        let refusal = RedisReply(kind: .error, texts: [Array("NOAUTH no".utf8)])
        #expect(Self.answer(refusal) == .refused("NOAUTH no"))
        let long = RedisReply(kind: .error, texts: [Array(repeating: 0x78, count: 100_000)])
        #expect(Self.answer(long) == .refused(String(repeating: "x", count: 200)))
        for kind in [RedisReply.Kind.status, .integer, .text] {
            #expect(Self.answer(RedisReply(kind: kind, texts: [Array("10.0.0.1".utf8)])) == .odd)
        }
    }
}
