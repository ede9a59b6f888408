internal import Glibc
import Reactor
import Testing

/// A certificate for `gateway.example` and its key, as files; nobody trusts it, and nothing depends on
/// its key being secret.
struct TestCertificate: ~Copyable {
    let certificatePath: String
    let keyPath: String

    init() throws {
        let certificatePath = try Self.file(Self.certificate)
        let keyPath = try Self.file(Self.key)
        self.certificatePath = certificatePath
        self.keyPath = keyPath
    }

    deinit {
        unsafe unlink(certificatePath)
        unsafe unlink(keyPath)
    }

    func context() throws -> TLSContext {
        try TLSContext.server(certificatePath: certificatePath, keyPath: keyPath)
    }

    /// A new file, readable for its owner only, with this content.
    static func file(_ text: String) throws -> String {
        var name = Array("/tmp/devhive-test-XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&name)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        try #require(unsafe write(descriptor, bytes, bytes.count) == bytes.count)
        return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBpzCCAU2gAwIBAgIUU/+0JQVz7LHyyXZcJP2qnTk6ePgwCgYIKoZIzj0EAwIw
        GjEYMBYGA1UEAwwPZ2F0ZXdheS5leGFtcGxlMCAXDTI2MTEyNDE3MDczOVoYDzIx
        MjYxMDMxMTcwNzM5WjAaMRgwFgYDVQQDDA9nYXRld2F5LmV4YW1wbGUwWTATBgcq
        hkjOPQIBBggqhkjOPQMBBwNCAASRo40sZdCaqHIFMmg4UpqXYVAv/hyE1Xxrg31G
        icVb65TxiYa6IsS57ybFZLSCLxPwCmsRcCZYlHTwHqUM0tz4o28wbTAdBgNVHQ4E
        FgQUyCgKVbRbYbxfrrNWK9di4XSa3CMwHwYDVR0jBBgwFoAUyCgKVbRbYbxfrrNW
        K9di4XSa3CMwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgg9nYXRld2F5LmV4
        YW1wbGUwCgYIKoZIzj0EAwIDSAAwRQIgL8u+TjwURg9ujqMAOlH9t/nCGWtPLmAe
        34NCGBUzrQkCIQCwmeS0k4B9n8+Q0x4vz9e5N+dT9WMIZTkt45YlLedTww==
        -----END CERTIFICATE-----

        """

    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9Dm6xUJCIX/t+hV3
        h4xMBwrQJGwL0zuMH70ZmJfggoehRANCAASRo40sZdCaqHIFMmg4UpqXYVAv/hyE
        1Xxrg31GicVb65TxiYa6IsS57ybFZLSCLxPwCmsRcCZYlHTwHqUM0tz4
        -----END PRIVATE KEY-----

        """
}
