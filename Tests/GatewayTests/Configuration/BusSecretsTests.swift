import Gateway
import Reactor
import Testing

@Suite struct BusSecretsBehaviour {
    private static let secret = String(repeating: "s", count: 32)
    private static let other = String(repeating: "o", count: 32)

    private static func secrets(
        _ variables: [String: String], options: [String: String] = [:]
    ) throws -> BusSecrets {
        BusSecrets(
            try Configuration.load(
                options: options, variables: variables.mapValues { Array($0.utf8) }, needed: []))
    }

    private static func error(_ secrets: BusSecrets) -> ConfigurationError? {
        do throws(ConfigurationError) {
            _ = try secrets.load()
            return nil
        } catch {
            return error
        }
    }

    private static func write(_ text: String, to name: String, of folder: TestDirectory) throws {
        try folder.write(Array(text.utf8), to: name)
    }

    private static func ofFiles(_ folder: TestDirectory) throws -> BusSecrets {
        try secrets([
            "REDIS_URL_FILE": "\(folder.path)/url", "BUS_SECRET_FILE": "\(folder.path)/secret",
        ])
    }

    @Test func `what changed is told, and the next time against that`() throws {
        let folder = try TestDirectory(["url": "redis://one", "secret": Self.secret])
        let secrets = try Self.ofFiles(folder)
        #expect(secrets.hasFiles)
        let same = try secrets.load()
        #expect(same.target == nil && same.secret == nil && same.changed.isEmpty)
        // Another line end or database is the same place.
        try Self.write("redis://one/3\n", to: "url", of: folder)
        #expect(try secrets.load().changed.isEmpty)

        try Self.write("rediss://user:word@two:7", to: "url", of: folder)
        let moved = try secrets.load()
        #expect(moved.target?.name == "rediss://two:7" && moved.changed == ["REDIS_URL"])
        try Self.write(Self.other, to: "secret", of: folder)
        let both = try secrets.load()
        #expect(both.secret?.bytes == Array(Self.other.utf8))
        #expect(both.changed == ["REDIS_URL", "BUS_SECRET"])
        #expect(try moved.secrets.load().changed == ["BUS_SECRET"])
        #expect(try both.secrets.load().changed.isEmpty)
    }

    @Test func `what came by variables stays, and isn't looked for in files`() throws {
        let secrets = try Self.secrets(["REDIS_URL": "redis://one", "BUS_SECRET": Self.secret])
        #expect(!secrets.hasFiles)
        #expect(try secrets.load().changed.isEmpty)
    }

    @Test(arguments: [
        ("http://hunter2", Self.other, "REDIS_URL_FILE"), ("", Self.other, "REDIS_URL_FILE"),
        ("redis://two", "too short", "BUS_SECRET_FILE"), ("redis://two", "", "BUS_SECRET_FILE"),
    ])
    func `a file that is no use keeps both, and isn't shown`(
        url: String, secret: String, source: String
    ) throws {
        let folder = try TestDirectory(["url": "redis://one", "secret": Self.secret])
        let secrets = try Self.ofFiles(folder)
        try Self.write(url, to: "url", of: folder)
        try Self.write(secret, to: "secret", of: folder)
        let error = try #require(Self.error(secrets))
        #expect(error.source == source)
        #expect(!error.description.contains("hunter2"))
    }

    @Test func `a file that is gone is named`() throws {
        let folder = try TestDirectory(["url": "redis://one"])
        let secrets = try Self.secrets([
            "REDIS_URL_FILE": "\(folder.path)/url", "BUS_SECRET": Self.secret,
        ])
        folder.delete("url")
        let error = try #require(Self.error(secrets))
        #expect(error.description.contains("\(folder.path)/url"))
    }

    @Test func `a place that others reach isn't moved to without a secret`() throws {
        let folder = try TestDirectory(["url": "redis://127.0.0.1"])
        let secrets = try Self.secrets(["REDIS_URL_FILE": "\(folder.path)/url"])
        try Self.write("redis://elsewhere", to: "url", of: folder)
        #expect(Self.error(secrets)?.source == "BUS_SECRET")
        try Self.write("redis://localhost", to: "url", of: folder)
        #expect(try secrets.load().target?.name == "redis://localhost:6379")
    }
}
