import Gateway
import Glibc
import Testing

@Suite struct SecretBehaviour {
    private static let database = "postgresql://user:hunter2hunter2@localhost/devhive"
    private static let key = "0123456789abcdefghijklmnopqrstuv"

    private static func load(
        _ variables: [String: String], needed: [SecretSetting] = SecretSetting.allCases
    ) -> Result<Configuration, ConfigurationError> {
        do throws(ConfigurationError) {
            return .success(
                try Configuration.load(
                    options: [:], variables: variables.mapValues { Array($0.utf8) },
                    needed: needed))
        } catch {
            return .failure(error)
        }
    }

    private static func error(_ variables: [String: String]) -> ConfigurationError? {
        if case .failure(let error) = load(variables) { return error }
        return nil
    }

    /// A file with `content`, gone when the body has returned.
    private static func withFile<Answer>(
        _ content: String, _ body: (String) throws -> Answer
    ) throws -> Answer {
        var template = Array("/tmp/devhive-test-XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&template)
        try #require(descriptor >= 0)
        let bytes = Array(content.utf8)
        let count = unsafe write(descriptor, bytes, bytes.count)
        _ = close(descriptor)
        let path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = unsafe unlink(path) }
        try #require(count == bytes.count)
        return try body(path)
    }

    @Test func `each secret is needed unless the command does without`() throws {
        #expect(Self.error(["JWT_SECRET": Self.key])?.source == "DATABASE_URL")
        #expect(Self.error(["DATABASE_URL": Self.database])?.source == "JWT_SECRET")
        let token = try Self.load(["JWT_SECRET": Self.key], needed: [.jwtSecret]).get()
        #expect(token.databaseURL.isEmpty)
        #expect(token.jwtSecret.bytes == Array(Self.key.utf8))
    }

    @Test func `a file gives the secret without its line end`() throws {
        for ending in ["", "\n", "\r\n"] {
            let configuration = try Self.withFile(Self.key + ending) { path in
                try Self.load(["DATABASE_URL": Self.database, "JWT_SECRET_FILE": path]).get()
            }
            #expect(configuration.jwtSecret.bytes == Array(Self.key.utf8))
        }
        let twoEnds = try Self.withFile(Self.key + "\n\n") { path in
            try Self.load(["DATABASE_URL": Self.database, "JWT_SECRET_FILE": path]).get()
        }
        #expect(twoEnds.jwtSecret.bytes == Array((Self.key + "\n").utf8))
    }

    @Test func `a file and a value at once are refused`() {
        let error = Self.error([
            "DATABASE_URL": Self.database, "JWT_SECRET": Self.key, "JWT_SECRET_FILE": "/x",
        ])
        #expect(error?.source == "JWT_SECRET_FILE")
        #expect(error?.reason == "JWT_SECRET is set too; set one of them")
    }

    @Test func `a file that is missing, empty, a folder or too large is refused by its path`()
        throws
    {
        func reason(_ path: String) -> String? {
            let error = Self.error(["DATABASE_URL": Self.database, "JWT_SECRET_FILE": path])
            #expect(error?.value == path)
            return error?.reason
        }
        #expect(reason("/nowhere/at/all") == "No such file or directory")
        #expect(reason("/tmp") == "Is a directory")
        let empty = try Self.withFile("\n") { reason($0) }
        #expect(empty == "the file is empty")
        let blank = try Self.withFile(String(repeating: "\0", count: 40)) { reason($0) }
        #expect(blank == "the file holds nothing but zero bytes")
        let most = String(repeating: "k", count: 65_536)
        let large = try Self.withFile(most + "k") { reason($0) }
        #expect(large == "larger than 65536 bytes")
        let fits = try Self.withFile(most) { path in
            Self.error(["DATABASE_URL": Self.database, "JWT_SECRET_FILE": path])
        }
        #expect(fits == nil)
    }

    @Test func `a key under 32 bytes is refused with the reason and not shown`() {
        let short = String(Self.key.dropLast())
        let error = Self.error(["DATABASE_URL": Self.database, "JWT_SECRET": short])
        #expect(error?.source == "JWT_SECRET")
        #expect(error?.description.contains("RFC 7518") == true)
        #expect(error?.description.contains("31 bytes") == true)
        #expect(error?.description.contains(short) == false)
    }

    @Test(arguments: [
        "devhive", "hunter2 = x y", "postgresql://user:hunter2@[::1/db",
        "postgresql://user:hunter2%zz@host/db", "user=a password='hunter2", "nokey=hunter2",
        "postgresql://user:hunter@2@host/db",
    ])
    func `a wrong connection string is refused and no part of it shown`(text: String) {
        let error = Self.error(["DATABASE_URL": text, "JWT_SECRET": Self.key])
        #expect(error?.source == "DATABASE_URL")
        #expect(error?.value == nil)
        #expect(error?.description.contains("hunter") == false)
        #expect(error?.description.contains("2@") == false)
    }

    /// libpq takes it for a list of keywords, and the advice was to percent-encode.
    @Test(arguments: [
        "mysql://user:hunter2@host/db", "mysql://user:hunter2@host/db?ssl=true",
        "sqlite:///hunter2.db", "https://host/hunter2",
    ])
    func `a connection string of another database is told what one of PostgreSQL is`(text: String) {
        let error = Self.error(["DATABASE_URL": text, "JWT_SECRET": Self.key])
        #expect(error?.source == "DATABASE_URL")
        #expect(
            error?.reason == "not a connection string of PostgreSQL: it must begin with"
                + " postgresql://, or be pairs such as host=… dbname=…")
        #expect(error?.description.contains("percent") == false)
        #expect(error?.description.contains("hunter") == false)
    }

    @Test(arguments: [
        database, "postgres://user:hunter2hunter2@/db?host=/run&sslpassword=hunter2hunter2",
        "user=user password=hunter2hunter2", "user=user password='hunter2\\'hunter2 x'",
    ])
    func `the report shows the connection and neither password nor key`(text: String) throws {
        let next = String(Self.key.reversed())
        let configuration = try Self.load([
            "DATABASE_URL": text, "JWT_SECRET": Self.key, "JWT_SECRET_NEXT": next,
        ]).get()
        let report = configuration.report(connectionsMax: 5)
        #expect(report.contains("user=user"))
        #expect(report.contains("jwt-secret-next             = **** (\(next.utf8.count) bytes)\n"))
        #expect(!report.contains(next))
        #expect(report.contains("password=****"))
        #expect(report.contains("= auto (5)\n"))
        #expect(!report.contains("hunter2"))
        #expect(!report.contains(Self.key))
    }

    @Test func `no way to print the configuration shows a secret`() throws {
        let configuration = try Self.load([
            "DATABASE_URL": Self.database, "JWT_SECRET": Self.key,
        ]).get()
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in [
            dumped, "\(configuration)", String(reflecting: configuration),
            "\(configuration.jwtSecret)", String(reflecting: configuration.jwtSecret),
        ] {
            #expect(!text.contains("hunter2"))
            #expect(!text.contains(Self.key))
            #expect(!text.contains("48, 49, 50"))
        }
    }
}
