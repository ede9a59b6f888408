internal import CEpollShim

extension TLSContext {
    /// Shakes hands with itself, in memory: a few milliseconds. How many times of four it succeeded
    /// is for tests: where an algorithm is forbidden on a host, handshakes do without it.
    ///
    /// OpenSSL looks up the algorithms of a handshake when the first one needs them. From 3.5 on it
    /// remembers what it couldn't find: were memory short in that moment, no handshake would succeed
    /// until the process ended. So this is to be called before anybody connects.
    ///
    /// It meets each group and each cipher suite once, and each version, rather than all combinations.
    @discardableResult
    public func rehearse() -> Int {
        defer { OpenSSLErrors.forget() }
        let client: TLSContext
        do throws(TLSSetupFailure) {
            client = try TLSContext.trustingClient()
        } catch {
            return 0
        }
        var count = 0
        let pairs = zip(Self.groups.split(separator: ":"), Self.cipherSuites.split(separator: ":"))
        for (group, suite) in pairs {
            let isDone = shakesHands(with: client, .v1_3, String(group), suite: String(suite))
            count += isDone ? 1 : 0
        }
        let isDone = shakesHands(with: client, .v1_2, Self.groups, suite: Self.cipherSuites)
        return isDone ? count + 1 : count
    }

    private func shakesHands(
        with client: borrowing TLSContext, _ version: TLSVersion, _ group: String, suite: String
    ) -> Bool {
        guard let server = unsafe SSL_new(raw) else { return false }
        defer { unsafe SSL_free(server) }
        guard let peer = unsafe SSL_new(client.raw) else { return false }
        defer { unsafe SSL_free(peer) }
        var serverEnd: OpaquePointer?
        var peerEnd: OpaquePointer?
        guard unsafe BIO_new_bio_pair(&serverEnd, 0, &peerEnd, 0) == 1 else { return false }
        // Each session owns its end, for both directions.
        unsafe SSL_set_bio(server, serverEnd, serverEnd)
        unsafe SSL_set_bio(peer, peerEnd, peerEnd)
        unsafe SSL_set_accept_state(server)
        unsafe SSL_set_connect_state(peer)
        guard unsafe ces_SSL_set_max_proto_version(peer, version.number) == 1,
            unsafe ces_SSL_set1_groups_list(peer, group) == 1,
            unsafe SSL_set_ciphersuites(peer, suite) == 1
        else { return false }
        // Each needs two turns; a pair of BIOs holds 17 KB, which a long chain of certificates fills.
        for _ in 0..<8 {
            let peerIsDone = unsafe SSL_do_handshake(peer) == 1
            let serverIsDone = unsafe SSL_do_handshake(server) == 1
            if peerIsDone && serverIsDone { return true }
        }
        return false
    }
}
