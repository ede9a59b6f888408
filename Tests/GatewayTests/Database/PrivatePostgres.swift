import Foundation
import Reactor
import Testing

/// A PostgreSQL cluster of this test process's own, on a Unix socket in a fresh directory. Started
/// at its first use and shared; it ends with the process, however that ends, because a shell waits
/// for the end of a pipe to stop it.
///
/// Where `DEVHIVE_TEST_DATABASE_URL` is set, that server is used instead (its role has to be a
/// superuser), and the tests that need a password rule of their own are skipped.
final class PrivatePostgres: Sendable {
    static let shared = Result { try PrivatePostgres() }
    static let isExternal = ProcessInfo.processInfo.environment[variable] != nil

    private static let variable = "DEVHIVE_TEST_DATABASE_URL"
    private static let binaries = "/usr/lib/postgresql/15/bin"
    /// A role that has to give this password.
    static let passwordRole = "guarded"
    static let password = "correct-horse"

    private let baseURL: String

    private init() throws {
        if let given = ProcessInfo.processInfo.environment[Self.variable] {
            baseURL = given
        } else {
            let directory = "/tmp/devhive-postgres-\(UUID().uuidString.prefix(8))"
            try Self.startCluster(in: directory)
            baseURL = "host=\(directory) port=5432 user=postgres dbname=postgres"
            try execute(
                """
                CREATE ROLE \(Self.passwordRole) LOGIN PASSWORD '\(Self.password)'
                """, on: baseURL)
        }
    }

    /// A fresh, empty database: notifications stay within one. Its connection string.
    func makeDatabase() throws -> String {
        let name = "t_" + UUID().uuidString.lowercased().replacing("-", with: "")
        try execute("CREATE DATABASE \(name)", on: baseURL)
        return Self.replaceDatabase(of: baseURL, with: name)
    }

    /// Runs statements in one transaction, on a connection of their own.
    func execute(_ statements: String, on url: String) throws {
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        try connection.execute(statements)
    }

    static func replaceDatabase(of url: String, with name: String) -> String {
        guard url.hasPrefix("postgres"), var parts = URLComponents(string: url) else {
            return "\(url) dbname=\(name)"  // The last one counts.
        }
        parts.path = "/" + name
        return parts.string ?? url
    }

    private static func startCluster(in directory: String) throws {
        let script = """
            set -e
            trap '' INT TERM
            mkdir -m 700 \(directory)
            if [ "$(id -u)" = 0 ]; then
                chown postgres \(directory)
                as() { runuser -u postgres -- "$@"; }
            else
                as() { "$@"; }
            fi
            as \(binaries)/initdb -D \(directory)/data -U postgres -A trust -E UTF8 \
                --locale=C -N > \(directory).log 2>&1
            printf 'local all \(passwordRole) scram-sha-256\\nlocal all all trust\\n' \
                > \(directory)/data/pg_hba.conf
            as \(binaries)/pg_ctl -D \(directory)/data -l \(directory)/log -w start \
                -o "-k \(directory) -p 5432 -c listen_addresses= -c fsync=off" \
                >> \(directory).log 2>&1
            echo ready
            cat > /dev/null
            as \(binaries)/pg_ctl -D \(directory)/data -m immediate stop > /dev/null 2>&1
            rm -rf \(directory) \(directory).log
            """
        let shell = Process()
        let input = Pipe()
        let output = Pipe()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", script]
        shell.standardInput = input
        shell.standardOutput = output
        // Not under the tests' working directory, which `postgres` may not be allowed to enter.
        shell.currentDirectoryURL = URL(filePath: "/tmp")
        try shell.run()
        let word = try output.fileHandleForReading.read(upToCount: 5)
        guard word == Data("ready".utf8) else { throw StartFailure(log: "\(directory).log") }
        // Open until the process ends.
        _ = unsafe Unmanaged.passRetained(input)
    }

    struct StartFailure: Error {
        let log: String
    }
}
