import Gateway
import Reactor
import Testing

@Suite struct BusSettingsBehaviour {
    private static let secret = String(repeating: "s", count: 32)

    private static func load(
        _ variables: [String: String], options: [String: String] = [:]
    ) throws(ConfigurationError) -> Configuration {
        try Configuration.load(
            options: options, variables: variables.mapValues { Array($0.utf8) }, needed: [])
    }

    private static func error(
        _ variables: [String: String], options: [String: String] = [:]
    ) -> ConfigurationError? {
        do throws(ConfigurationError) {
            _ = try load(variables, options: options)
            return nil
        } catch {
            return error
        }
    }

    @Test func `without a URL, or with the bus off, there is no Redis`() throws {
        #expect(try Self.load([:]).redisTarget == nil)
        let off = try Self.load(["REDIS_URL": "redis://elsewhere"], options: ["bus": "off"])
        #expect(off.redisTarget == nil)
        let on = try Self.load(["REDIS_URL": "redis://elsewhere", "BUS_SECRET": Self.secret])
        #expect(on.redisTarget?.name == "redis://elsewhere:6379")
    }

    @Test func `a host that others reach needs a secret, of 32 bytes at least`() {
        let url = ["REDIS_URL": "redis://user:hunter2@elsewhere"]
        #expect(Self.error(url)?.source == "BUS_SECRET")
        for (count, isRefused) in [(31, true), (32, false), (33, false)] {
            let secret = String(repeating: "s", count: count)
            let error = Self.error(url.merging(["BUS_SECRET": secret]) { $1 })
            #expect((error != nil) == isRefused)
            #expect(error?.description.contains(secret) != true)
        }
        // Sentinels on this host may name another one.
        let sentinels = Self.error(["REDIS_URL": "redis+sentinel://127.0.0.1/name"])
        #expect(sentinels?.source == "BUS_SECRET" && sentinels?.reason.contains("any host") == true)
        #expect(Self.error(["REDIS_URL": "redis://127.0.0.1"]) == nil)
        #expect(Self.error(["REDIS_URL": "unix:///run/redis.sock"]) == nil)
    }

    @Test func `a wrong URL is refused without being shown`() throws {
        let error = try #require(Self.error(["REDIS_URL": "http://user:hunter2@elsewhere"]))
        #expect(error.source == "REDIS_URL" && !error.description.contains("hunter2"))
        #expect(!error.description.contains("elsewhere"))
    }

    @Test func `of the URL everything but the password is reported`() throws {
        let configuration = try Self.load([
            "REDIS_URL": "rediss://user:hunter2@elsewhere:7/1", "BUS_SECRET": Self.secret,
        ])
        let report = configuration.report(connectionsMax: 1)
        #expect(report.contains("rediss://user:****@elsewhere:7"))
        #expect(!report.contains("hunter2") && !report.contains(Self.secret))
        let sentinels = try Self.load([
            "REDIS_URL": "redis+sentinel://user:hunter2@one,two:7/name", "BUS_SECRET": Self.secret,
        ]).report(connectionsMax: 1)
        #expect(sentinels.contains("redis+sentinel://user:****@one:26379,two:7/name"))
        #expect(!sentinels.contains("hunter2"))
    }

    @Test(arguments: [
        ("a", true), ("devhive", true), ("A-Z_0.9:x", true), ("", false), ("a*", false),
        ("a b", false), ("ä", false), ("a[b]", false), ("a?", false), ("{a}", false),
    ])
    func `a prefix has nothing that a pattern would take for more than itself`(
        prefix: String, isAllowed: Bool
    ) {
        #expect((Self.error([:], options: ["bus-prefix": prefix]) == nil) == isAllowed)
    }

    @Test func `a prefix has 48 characters at most`() {
        for (count, isAllowed) in [(47, true), (48, true), (49, false)] {
            let prefix = String(repeating: "x", count: count)
            #expect((Self.error([:], options: ["bus-prefix": prefix]) == nil) == isAllowed)
        }
    }
}
