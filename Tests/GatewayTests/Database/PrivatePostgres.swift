internal import CEpollShim
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
    static let isExternal = external != nil

    private static let external = unsafe getenv("DEVHIVE_TEST_DATABASE_URL").map {
        unsafe String(cString: $0)
    }
    /// A role that has to give this password.
    static let passwordRole = "guarded"
    static let password = "correct-horse"

    private let baseURL: String

    private init() throws {
        if let given = Self.external {
            baseURL = given
        } else {
            let directory = "/tmp/devhive-postgres-" + uniqueToken()
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
        let name = "t_" + uniqueToken()
        try execute("CREATE DATABASE \(name)", on: baseURL)
        return Self.replaceDatabase(of: baseURL, with: name)
    }

    /// Runs statements in one transaction, on a connection of their own.
    func execute(_ statements: String, on url: String) throws {
        var connection = try BlockingPostgresConnection(ConnectionString(url))
        try connection.execute(statements)
    }

    static func replaceDatabase(of url: String, with name: String) -> String {
        guard let scheme = url.firstRange(of: "://") else {
            return "\(url) dbname=\(name)"  // The last one counts.
        }
        let query = url.firstIndex(of: "?") ?? url.endIndex
        let path = url[scheme.upperBound..<query].firstIndex(of: "/") ?? query
        return url[..<path] + "/" + name + url[query...]
    }

    private static func startCluster(in directory: String) throws {
        let log = "\(directory).log"
        // Through its other end the shell says that the server is ready, or by its end that it isn't.
        var signal: [Int32] = [-1, -1]
        guard unsafe pipe(&signal) == 0 else { throw StartFailure(log: log) }
        let script = """
            set -e
            cd /tmp
            # Debian keeps the servers out of PATH, one folder for each version: the newest.
            initdb=$(ls /usr/lib/postgresql/*/bin/initdb 2> /dev/null | sort -V | tail -n 1)
            binaries=$(dirname "${initdb:-$(command -v initdb)}")
            trap '' INT TERM
            mkdir -m 700 \(directory)
            if [ "$(id -u)" = 0 ]; then
                chown postgres \(directory)
                as() { runuser -u postgres -- "$@"; }
            else
                as() { "$@"; }
            fi
            as "$binaries"/initdb -D \(directory)/data -U postgres -A trust -E UTF8 \
                --locale=C -N > \(log) 2>&1
            printf 'local all \(passwordRole) scram-sha-256\\nlocal all all trust\\n' \
                > \(directory)/data/pg_hba.conf
            as "$binaries"/pg_ctl -D \(directory)/data -l \(directory)/log -w start \
                -o "-k \(directory) -p 5432 -c listen_addresses= -c fsync=off" \
                >> \(log) 2>&1
            echo ready > /dev/fd/\(signal[1])
            cat > /dev/null
            as "$binaries"/pg_ctl -D \(directory)/data -m immediate stop > /dev/null 2>&1
            rm -rf \(directory) \(log)
            """
        // "e": nobody else inherits the end of the pipe whose closing ends the shell. It stays open
        // until the process ends.
        let shell = unsafe popen(script, "we")
        guard unsafe shell != nil else { throw StartFailure(log: log) }
        close(signal[1])
        defer { close(signal[0]) }
        var word: [UInt8] = [0, 0, 0, 0, 0]
        let count = unsafe read(signal[0], &word, word.count)
        guard count == word.count else { throw StartFailure(log: log) }
    }

    struct StartFailure: Error {
        let log: String
    }
}
