internal import CEpollShim
internal import Glibc
import Reactor
import Testing

@Suite struct ServiceManagerBehaviour {
    /// A datagram socket bound to `name`, which begins with "@" for an abstract one.
    private static func manager(_ name: String) throws -> OwnedDescriptor {
        let raw = socket(AF_UNIX, ces_SOCK_DGRAM, 0)
        try #require(raw >= 0)
        let descriptor = OwnedDescriptor(adopting: raw)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) {
            unsafe $0.copyBytes(from: Array(name.utf8))
        }
        if name.hasPrefix("@") { address.sun_path.0 = 0 }
        let length = socklen_t(2 + name.utf8.count)
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe ces_bind(raw, generic, length)
            }
        }
        try #require(status == 0)
        return descriptor
    }

    private static func message(at descriptor: borrowing OwnedDescriptor) -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe recv(descriptor.raw, &bytes, bytes.count, ces_MSG_DONTWAIT)
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }

    @Test(arguments: ["/tmp/devhive-notify-", "@devhive-notify-"])
    func `notices are datagrams to a path or an abstract name`(prefix: String) throws {
        let name = prefix + String(Random.word(), radix: 36)
        let manager = try Self.manager(name)
        defer { if prefix.hasPrefix("/") { _ = unsafe unlink(name) } }
        ServiceManager.notify(.ready, path: Array(name.utf8))
        ServiceManager.notify(.stopping, path: Array(name.utf8))
        let first = Self.message(at: manager)
        let second = Self.message(at: manager)
        let third = Self.message(at: manager)
        #expect((first, second, third) == ("READY=1", "STOPPING=1", nil))
    }

    @Test func `without a manager nothing happens`() {
        for path in ["", "/nowhere/notify", String(repeating: "x", count: 200)] {
            ServiceManager.notify(.ready, path: Array(path.utf8))
        }
        ServiceManager.notify(.ready, path: nil)
    }
}
