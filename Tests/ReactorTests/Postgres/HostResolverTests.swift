internal import CEpollShim
import Reactor
import Testing

@Suite struct HostResolverBehaviour {
    @Test func `finds the addresses of localhost and reports them once`() throws {
        var resolver = try HostResolver(names: ["localhost"])
        let early = resolver.takeResult()
        #expect(early == nil)
        resolver.begin()
        let found = wait(for: &resolver)
        let result = try #require(found)
        #expect(result.map(\.name) == ["localhost"])
        let addresses = Set(result[0].addresses)
        #expect(!addresses.isEmpty && addresses.isSubset(of: ["127.0.0.1", "::1"]))
        #expect(result[0].failure == nil)
        let again = resolver.takeResult()
        #expect(again == nil)
    }

    @Test func `says why a name has no address`() throws {
        // RFC 6761 §6.4: names under "invalid" never exist.
        var resolver = try HostResolver(names: ["nowhere.invalid", "localhost"])
        resolver.begin()
        let found = wait(for: &resolver)
        let result = try #require(found)
        #expect(result.map(\.addresses.isEmpty) == [true, false])
        #expect(result[0].failure?.isEmpty == false)
    }

    @Test func `a second begin joins the look-up under way`() throws {
        var resolver = try HostResolver(names: ["localhost"])
        resolver.begin()
        resolver.begin()
        let first = wait(for: &resolver)
        #expect(first != nil)
        // Were there a second thread, it would signal once more. (Once the second begin came after
        // the first look-up had ended, began another, and the outcome was gone when its signal was
        // seen.)
        let second = resolver.takeResult()
        #expect(second == nil)
        resolver.begin()
        let third = wait(for: &resolver)
        #expect(third != nil)
    }

    @Test func `looks other names up from when it is told so, behind what is under way`() throws {
        var resolver = try HostResolver(names: [])
        resolver.begin(["nowhere.invalid"])
        resolver.begin(["localhost"])
        let former = wait(for: &resolver)
        #expect(former?.map(\.name) == ["nowhere.invalid"])
        resolver.begin(["localhost"])
        let found = wait(for: &resolver)
        #expect(found?.map(\.name) == ["localhost"])
        resolver.begin()
        let again = wait(for: &resolver)
        #expect(again?.map(\.name) == ["localhost"])
    }

    @Test func `may be dropped while its thread is at work`() throws {
        for _ in 0..<50 {
            var resolver = try HostResolver(names: ["localhost"])
            resolver.begin()
        }
    }

    /// Waits up to a minute, which a name server may take.
    private func wait(for resolver: inout HostResolver) -> [ResolvedHost]? {
        var entry = pollfd(fd: resolver.descriptor, events: Int16(POLLIN), revents: 0)
        var ready: Int32
        repeat {
            ready = unsafe poll(&entry, 1, 60_000)
        } while ready < 0 && ces_errno() == EINTR  // Other tests send signals.
        return ready == 1 ? resolver.takeResult() : nil
    }
}
