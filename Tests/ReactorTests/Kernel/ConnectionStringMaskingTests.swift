import Reactor
import Testing

@Suite struct ConnectionStringMasking {
    @Test func `passwords are marked, wherever they stand`() throws {
        let text = "postgresql://u:one@h:5/d?sslpassword=two&application_name=a"
        let parsed = try ConnectionString(text)
        let secrets = parsed.options.filter(\.isSecret).map(\.value)
        #expect(secrets == ["one", "two"])
        #expect(parsed.masked.contains("password=****"))
        #expect(parsed.masked.contains("application_name=a"))
    }

    @Test func `what libpq doesn't understand is an error`() {
        for text in ["no equals sign", "postgresql://[::1"] {
            #expect(throws: ConnectionStringError.self) { _ = try ConnectionString(text) }
        }
    }
}
