import Gateway
import Reactor
import Testing

@Suite struct SentinelSearchBehaviour {
    private static func search(_ hosts: String = "10.0.0.1,10.0.0.2,10.0.0.3") throws
        -> SentinelSearch
    {
        let target = try RedisTarget("redis+sentinel://\(hosts)/name")
        return SentinelSearch(try #require(target.sentinels))
    }

    private static func asked(_ search: SentinelSearch) -> String? { search.host?.name }

    private static let reply = RedisReply(
        kind: .array, texts: [Array("10.1.0.1".utf8), Array("6379".utf8)])

    /// What an answer comes to.
    private static func answer(
        _ reply: RedisReply, _ search: inout SentinelSearch
    ) -> Result<RedisHost, SentinelFault> {
        do throws(SentinelFault) {
            return .success(try search.answered(reply))
        } catch {
            return .failure(error)
        }
    }

    @Test func `a round asks each once, and then ends`() throws {
        var search = try Self.search()
        for round in 0..<3 {
            search.begin([])
            #expect(!search.isAsking && search.report == nil)
            for index in 1...3 {
                let goesOn = search.next()
                #expect(goesOn && search.isAsking)
                #expect(Self.asked(search) == "10.0.0.\(index)", "round \(round)")
                search.failed(.timeout)
            }
            let goesOn = search.next()
            #expect(!goesOn && !search.isAsking && search.host == nil)
        }
    }

    @Test func `one that doesn't listen at an address is asked at its others, once each`() throws {
        var search = try Self.search("one,10.0.0.2")
        for round in 0..<3 {
            search.begin([ResolvedHost(name: "one", addresses: ["::1", "127.0.0.1"])])
            var tried: Set<String> = []
            for number in 1...2 {
                if number == 1 {
                    while search.next(), Self.asked(search) != "one" { search.failed(.timeout) }
                }
                tried.insert("\(try search.address())")
                let hasAnother = search.turnAddress()
                #expect(hasAnother == (number == 1), "round \(round)")
            }
            #expect(tried.count == 2)
            search.failed(.timeout)
            while search.next() {
                let hasAnother = search.turnAddress()
                #expect(!hasAnother)
                search.failed(.timeout)
            }
        }
    }

    @Test func `who has answered isn't the first to be asked again`() throws {
        var search = try Self.search()
        for expected in ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"] {
            search.begin([])
            let goesOn = search.next()
            #expect(goesOn && Self.asked(search) == expected)
            let host = RedisHost(name: "10.1.0.1", port: 6_379)
            let answer = Self.answer(Self.reply, &search)
            #expect(answer == .success(host))
            #expect(search.primary == host && search.host == host && !search.isAsking)
            search.rest()
            #expect(search.primary == nil)
        }
    }

    @Test
    func
        `an answer of no use leaves it to the next one, and what was wrong is reported in the URL's order`()
        throws
    {
        var search = try Self.search()
        search.begin([])
        _ = search.next()
        let first = Self.answer(Self.reply, &search)
        #expect(first == .success(RedisHost(name: "10.1.0.1", port: 6_379)))
        // The second round begins with the second.
        search.begin([])
        let odd = RedisReply(kind: .integer, integer: 1)
        let refusal = RedisReply(
            kind: .error, texts: [Array("NOAUTH Authentication required.".utf8)])
        for (reply, fault) in [
            (RedisReply(kind: .null), SentinelFault.unknownName), (odd, .odd),
            (refusal, .refused("NOAUTH Authentication required.")),
        ] {
            let goesOn = search.next()
            #expect(goesOn)
            let answer = Self.answer(reply, &search)
            #expect(answer == .failure(fault))
            #expect(search.isAsking)
            search.failed(fault)
        }
        #expect(
            search.report == """
                10.0.0.1:26379: refused: NOAUTH Authentication required.; \
                10.0.0.2:26379: watches no primary of that name; \
                10.0.0.3:26379: answered with something that is no address
                """)
        // Of several the most telling one.
        #expect(search.advice?.contains("correct the name") == true)
        search.begin([])
        #expect(search.report == nil && search.advice == nil)
    }

    @Test func `a name leads where the look-up found it, and to nobody where it found nothing`()
        throws
    {
        var search = try Self.search("one,two:7,10.0.0.3")
        #expect(search.sentinels.namesToResolve == ["one", "two"])
        search.begin([
            ResolvedHost(name: "one", addresses: [], failure: "no such name"),
            ResolvedHost(name: "two", addresses: ["10.0.0.2"]),
        ])
        _ = search.next()
        #expect(throws: SentinelFault.unresolved("no such name")) { try search.address() }
        for expected in ["10.0.0.2:7", "10.0.0.3:26379"] {
            _ = search.next()
            guard case .network(let address) = try search.address() else {
                Issue.record("not a host")
                return
            }
            #expect(address.description == expected)
        }
    }

    @Test func `the name's advice depends on what was answered`() throws {
        for (fault, words) in [
            (SentinelFault.refused("NOAUTH x"), "sentinel-auth=same"),
            (.refused("ERR unknown command 'SENTINEL'"), "let REDIS_URL name Sentinels"),
            (.refused("NOPERM x"), "+sentinel|get-master-addr-by-name"),
            (.unknownName, "sentinel monitor"),
            (.timeout, "firewalls"), (.broken(.secure("x")), "SSL_CERT_FILE"),
            (.broken(.malformed), "otherwise"),
            (.unresolved("x"), "resolver"),
        ] {
            var search = try Self.search("10.0.0.1")
            search.begin([])
            _ = search.next()
            search.failed(fault)
            #expect(search.advice?.contains(words) == true, "\(fault)")
        }
    }

    @Test func `whatever bytes a Sentinel answers with, it is an address, a fault, or nothing yet`()
        throws
    {
        var random = Jitter(seed: 3)
        let pieces = [
            "*2\r\n", "$8\r\n10.1.0.1\r\n", "$4\r\n6379\r\n", "$-1\r\n", "*-1\r\n", "-NOAUTH x\r\n",
            ":1\r\n",
            "+OK\r\n", "*1\r\n", "$0\r\n\r\n", "*3\r\n", "x", "\r\n", "$1\r\n\u{0}\r\n",
        ]
        for _ in 0..<3_000 {
            var search = try Self.search()
            search.begin([])
            _ = search.next()
            guard var reader = RedisReader() else { return }
            let text = (0..<random.next() % 6).map { _ in
                pieces[Int(random.next() % UInt64(pieces.count))]
            }
            do throws(RedisFault) {
                try reader.feed(Array(text.joined().utf8).span)
                guard let reply = try reader.next() else { continue }
                let answer = Self.answer(reply, &search)
                if case .success(let host) = answer {
                    #expect(host.port > 0 && !host.name.isEmpty && search.primary == host)
                } else {
                    #expect(search.isAsking)
                }
            } catch {
                #expect(error == .malformed)
            }
        }
    }
}
