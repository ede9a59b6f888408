import Reactor
import Testing

@Suite struct ConnectionStringBehaviour {
    @Test(arguments: [
        "postgresql://ann:hunter2@db.example:6432/hive?sslmode=require",
        "user=ann password=hunter2 host=db.example port=6432 dbname=hive sslmode=require",
        "user=ann password='hunter2' sslpassword=hunter2 host=db.example port=6432 dbname=hive",
    ])
    func `shows everything but the password`(_ text: String) throws {
        let target = try ConnectionString(text)
        let parameters = try #require(
            target.parameters(resolved: [ResolvedHost(name: "db.example", addresses: ["10.0.0.1"])])
        )
        for shown in [
            target.masked, "\(target)", String(reflecting: target), "\(parameters)", dumped(target),
            dumped(parameters), target.summary,
        ] {
            #expect(!shown.contains("hunter2"))
            #expect(shown.contains("hive"))
        }
        #expect(target.value(of: "password") == "hunter2")
        #expect(target.masked.contains("password=****"))
        #expect(target.summary == "db.example:6432/hive")
    }

    @Test(arguments: [
        "postgresql://ann:hunter2@[::1/hive", "postgresql://ann:hunter2%zz@db/hive",
        "postgresql://ann:hunter2@db/hive?hunter2", "user=ann password=a hunter2",
        "user=ann password='hunter2", "hunter2", "postgresql://ann:hunter2/rest@db/hive",
        "postgresql://ann:1234/hunter2@db/hive", "host=db port=hunter2",
        "host=db port=0", "host=db port=65536", "password=hunter2\0x",
    ])
    func `a string that can't be read is refused without a piece of it being shown`(
        _ text: String
    ) throws {
        let error = try #require(throws: ConnectionStringError.self) {
            try ConnectionString(text)
        }
        #expect(!error.description.contains("hunter2"))
        #expect(!error.description.contains("ann"))
    }

    @Test func `adds keepalives and the program's name only where the string says nothing`() throws
    {
        let plain = try ConnectionString("host=/tmp")
        #expect(plain.value(of: "application_name") == "devhive-gateway")
        #expect(plain.value(of: "keepalives") == "1")
        #expect(plain.value(of: "gssencmode") == "disable")
        #expect(plain.value(of: "client_encoding") == "UTF8")
        let own = try ConnectionString(
            "host=/tmp application_name=mine keepalives_idle=99 client_encoding=LATIN1")
        #expect(own.value(of: "application_name") == "mine")
        #expect(own.value(of: "keepalives_idle") == "99")
        #expect(own.value(of: "keepalives_count") == "3")
        #expect(own.value(of: "client_encoding") == "UTF8")
        #expect(own.options.filter { $0.keyword == "client_encoding" }.count == 1)
    }

    @Test(arguments: [
        ("host=/run/postgresql", []), ("host=@abstract", []), ("host=127.0.0.1", []),
        ("host=::1", []), ("host=localhost", ["localhost"]),
        ("host=db hostaddr=10.0.0.1", []), ("hostaddr=10.0.0.1", []),
        ("host=a,/tmp,b,a", ["a", "b"]), ("host=a,b hostaddr=10.0.0.1,", ["b"]),
        ("postgresql://u@a:1,b:2/d", ["a", "b"]),
    ])
    func `only names that getaddrinfo would have to ask about need resolving`(
        _ text: String, _ names: [String]
    ) throws {
        let target = try ConnectionString(text)
        #expect(target.hostsToResolve == names)
    }

    @Test func `each address of a name becomes a host with the name and port kept`() throws {
        let target = try ConnectionString("postgresql://u@a:1,b:2,c:3/d")
        let resolved = [
            ResolvedHost(name: "a", addresses: ["10.0.0.1", "10.0.0.2"]),
            ResolvedHost(name: "b", addresses: [], failure: "unknown"),
            ResolvedHost(name: "c", addresses: ["10.0.0.3"]),
        ]
        let first = try #require(target.parameters(resolved: resolved)).description
        #expect(first.contains("host=a,a,c"))
        #expect(first.contains("hostaddr=10.0.0.1,10.0.0.2,10.0.0.3"))
        #expect(first.contains("port=1,1,3"))
        let second = try #require(target.parameters(resolved: resolved, attempt: 4)).description
        #expect(second.contains("hostaddr=10.0.0.2,10.0.0.3,10.0.0.1"))
        let none = target.parameters(resolved: [])
        #expect(none == nil)
    }

    @Test func `a service file is refused, because libpq would look up its host`() {
        #expect(throws: ConnectionStringError.self) { try ConnectionString("service=x") }
    }

    @Test(arguments: [15, 16, 17])
    func `at most 16 hosts are accepted`(_ count: Int) {
        let hosts = (0..<count).map { "h\($0)" }.joined(separator: ",")
        if count <= ConnectionString.hostsMax {
            #expect(throws: Never.self) { try ConnectionString("host=\(hosts)") }
        } else {
            #expect(throws: ConnectionStringError.tooManyHosts) {
                try ConnectionString("host=\(hosts)")
            }
        }
    }

    private func dumped(_ value: Any) -> String {
        var text = ""
        dump(value, to: &text)
        return text
    }
}
