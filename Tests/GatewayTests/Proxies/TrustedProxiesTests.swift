import Gateway
import Reactor
import Testing

@Suite struct TrustedProxiesBehaviour {
    @Test func `nobody is trusted unless named`() throws {
        let none = try #require(TrustedProxies(text: "none"))
        let address = try #require(SocketAddress(host: "127.0.0.1", port: 1))
        #expect(none.isEmpty && !none.contains(address) && none == .none)
    }

    @Test func `each of a list is trusted, and nobody else`() throws {
        let proxies = try #require(TrustedProxies(text: "10.0.0.0/8, ::1"))
        for (text, isTrusted) in [("10.1.1.1", true), ("::1", true), ("192.0.2.1", false)] {
            let address = try #require(SocketAddress(host: text, port: 1))
            #expect(proxies.contains(address) == isTrusted)
        }
        #expect(proxies.description == "10.0.0.0/8,::1")
    }

    @Test func `64 can be named, 65 can't`() {
        let one = "10.0.0.1"
        #expect(
            TrustedProxies(text: Array(repeating: one, count: 64).joined(separator: ",")) != nil)
        #expect(
            TrustedProxies(text: Array(repeating: one, count: 65).joined(separator: ",")) == nil)
    }

    @Test(arguments: ["", ",", "10.0.0.1,", "10.0.0.1 10.0.0.2", "none,10.0.0.1", "proxy"])
    private func `anything else is refused`(text: String) {
        #expect(TrustedProxies(text: text) == nil)
    }
}
