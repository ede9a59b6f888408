import Gateway
import Reactor
import Testing

@Suite struct CoreDirectBehaviour {
    // MARK: The way through

    @Test func `a message reaches those who asked for their inbox, and its sender's others`() throws
    {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.openReader(user: 1)
        let other = try harness.openReader(user: 1)
        let receiver = try harness.openReader(user: 2)
        let plain = try harness.open(user: 2)
        harness.send(1, to: 2, data: #"{"n": 1.0}"#, #","ref":1"#, from: sender)
        harness.settle()
        let text =
            #"{"type":"direct","id":"\#(CoreHarness.message(1))","from":"\#(CoreHarness.user(1))","#
            + #""to":"\#(CoreHarness.user(2))","data":{"n": 1.0},"#
            + #""timestamp":"2026-01-02T03:04:05.000006Z"}"#
        #expect(harness.stream(of: receiver).texts == [text])
        #expect(harness.stream(of: other).texts == [text])
        #expect(harness.stream(of: sender).texts == [CoreHarness.firstSent])
        #expect(harness.stream(of: plain).texts == [])
    }

    @Test func `ok comes when it is committed, not before`() throws {
        var harness = try CoreHarness.withDirect()
        harness.direct.answersAtOnce = false
        let sender = try harness.open(user: 1)
        harness.send(1, to: 2, #","ref":1"#, from: sender)
        harness.settle()
        #expect(harness.stream(of: sender).texts == [])
        harness.direct.answerFirst(&harness.core)
        harness.settle()
        #expect(harness.stream(of: sender).texts == [CoreHarness.firstSent])
    }

    @Test func `what is sent in a turn is one statement`() throws {
        var harness = try CoreHarness.withDirect()
        harness.direct.answersAtOnce = false
        let sender = try harness.open(user: 1)
        let other = try harness.open(user: 3)
        for number in 1...4 { harness.send(UInt64(number), to: 2, from: sender) }
        harness.send(5, to: 2, from: other)
        harness.turn()
        #expect(harness.direct.statementCount == 1)
        harness.direct.answerAll(&harness.core)
        #expect(harness.direct.rows.count == 5)
    }

    @Test func `one that the database can't keep takes no other with it`() throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.open(user: 1)
        let poisoner = try harness.open(user: 3)
        harness.direct.poisoned = [CoreHarness.user(3)]
        harness.send(1, to: 2, #","ref":1"#, from: sender)
        harness.send(2, to: 2, #","ref":2"#, from: poisoner)
        harness.settle()
        #expect(harness.stream(of: sender).texts == [CoreHarness.firstSent])
        let answer = harness.stream(of: poisoner).texts
        #expect(answer.count == 1 && answer[0].contains(#""code":"bad_message""#))
    }

    @Test func `acknowledgments reach the user's other connections, and the sender that asked`()
        throws
    {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.openReader(user: 1)
        let first = try harness.openReader(user: 2)
        let second = try harness.openReader(user: 2)
        harness.send(1, to: 2, #","receipt":true"#, from: sender)
        harness.send(2, to: 2, from: sender)
        harness.settle()
        harness.acknowledge([1, 2, 9], #","ref":3"#, from: first)
        harness.settle()
        #expect(harness.answers(of: first) == [#"{"type":"ok","ref":3}"#])
        let ids = #""\#(CoreHarness.message(1))","\#(CoreHarness.message(2))""#
        #expect(harness.answers(of: second) == [#"{"type":"acked","ids":[\#(ids)]}"#])
        #expect(
            harness.answers(of: sender).last
                == #"{"type":"receipt","ids":["\#(CoreHarness.message(1))"],"by":"#
                + #""\#(CoreHarness.user(2))"}"#)
    }

    @Test func `an invisible user gives no receipt, on whichever connection`() throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.openReader(user: 1)
        let hidden = try harness.open(user: 2, project: 1)
        harness.receive(text: #"{"type":"inbox"}"#, from: hidden)
        harness.presence(#","invisible":true"#, from: hidden)
        let receiver = try harness.openReader(user: 2)
        harness.send(1, to: 2, #","receipt":true,"ref":1"#, from: sender)
        harness.settle()
        harness.acknowledge([1], from: receiver)
        harness.settle()
        #expect(harness.answers(of: hidden).contains { $0.hasPrefix(#"{"type":"acked""#) })
        #expect(harness.answers(of: sender) == [CoreHarness.firstSent])
    }

    // MARK: Inboxes

    @Test func `an inbox is read in pages, in order, and answered with a cursor`() throws {
        var harness = try CoreHarness.withDirect()
        for number in 1...250 {
            let transaction = harness.direct.beginApplication(
                from: CoreHarness.user(1), to: CoreHarness.user(2),
                id: CoreHarness.message(UInt64(number)))
            harness.direct.commit(transaction)
        }
        let receiver = try harness.open(user: 2)
        harness.receive(text: #"{"type":"inbox","since":null,"ref":8}"#, from: receiver)
        harness.settle()
        #expect(harness.messages(of: receiver) == Array(1...250))
        #expect(harness.answers(of: receiver) == [#"{"type":"ok","ref":8,"cursor":"350"}"#])
        harness.receive(text: #"{"type":"inbox","since":"350","ref":9}"#, from: receiver)
        harness.settle()
        #expect(harness.messages(of: receiver).count == 250)
        #expect(harness.answers(of: receiver).last == #"{"type":"ok","ref":9,"cursor":"350"}"#)
    }

    @Test func `what commits late while pages are read isn't passed over`() throws {
        var harness = try CoreHarness.withDirect()
        let late = harness.direct.beginApplication(
            from: CoreHarness.user(1), to: CoreHarness.user(2), id: CoreHarness.message(999))
        for number in 1...150 {
            let transaction = harness.direct.beginApplication(
                from: CoreHarness.user(1), to: CoreHarness.user(2),
                id: CoreHarness.message(UInt64(number)))
            harness.direct.commit(transaction)
        }
        harness.direct.announce(&harness.core)
        harness.direct.answersAtOnce = false
        let receiver = try harness.open(user: 2)
        harness.receive(text: #"{"type":"inbox","ref":8}"#, from: receiver)
        harness.turn()
        harness.direct.answerFirst(&harness.core)  // The first page.
        harness.direct.commit(late)
        harness.turn()
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(Set(harness.messages(of: receiver)) == Set(Array(1...150) + [999]))
        // Its cursor is from before the transaction that was open.
        #expect(harness.answers(of: receiver) == [#"{"type":"ok","ref":8,"cursor":"100"}"#])
    }

    @Test func `a later inbox takes the place of one that is being read`() throws {
        var harness = try CoreHarness.withDirect()
        harness.direct.answersAtOnce = false
        let receiver = try harness.open(user: 2)
        harness.receive(text: #"{"type":"inbox","since":"5","ref":1}"#, from: receiver)
        harness.turn()
        harness.receive(text: #"{"type":"inbox","ref":2}"#, from: receiver)
        let transaction = harness.direct.beginApplication(
            from: CoreHarness.user(1), to: CoreHarness.user(2), id: CoreHarness.message(1))
        harness.direct.commit(transaction)
        harness.direct.answersAtOnce = true
        harness.settle()
        let answers = harness.answers(of: receiver)
        #expect(answers.count == 2 && answers[0].contains(#""ref":1,"code":"unavailable""#))
        #expect(answers[1].hasPrefix(#"{"type":"ok","ref":2"#))
        #expect(harness.messages(of: receiver) == [1])
    }

    @Test func `a slow client's queue holds nothing more, and it gets all when it reads`() throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.openReader(user: 1)
        let receiver = try harness.openReader(user: 2)
        harness.setCapacity(10, of: receiver)
        for number in 1...30 {
            harness.send(
                UInt64(number), to: 2, data: #"{"t":"\#(String(repeating: "x", count: 900))"}"#,
                from: sender)
            harness.settle()
            harness.pass(milliseconds: 200)
        }
        #expect(harness.core.outbox.segments.liveBytes < 16_384)
        harness.setCapacity(.max, of: receiver)
        harness.settle()
        #expect(Set(harness.messages(of: receiver)) == Set(1...30))
    }

    // MARK: What is missed

    @Test func `what was announced while the listener was away is found in the inbox`() throws {
        var harness = try CoreHarness.withDirect()
        let receiver = try harness.openReader(user: 2)
        harness.core.listenerWasLost()
        harness.direct.announcesAtOnce = false
        let transaction = harness.direct.beginApplication(
            from: CoreHarness.user(1), to: CoreHarness.user(2), id: CoreHarness.message(1))
        harness.direct.commit(transaction)
        harness.direct.announced = []
        harness.settle()
        #expect(harness.messages(of: receiver) == [])
        harness.beginListening()
        #expect(harness.messages(of: receiver) == [1])
    }

    @Test func `without the database nothing is sent, and what was on its way is not known to be`()
        throws
    {
        var harness = try CoreHarness.withDirect()
        harness.direct.answersAtOnce = false
        let sender = try harness.open(user: 1)
        harness.send(1, to: 2, #","ref":1"#, from: sender)
        harness.turn()
        harness.direct.execute(upTo: 1)
        harness.direct.lose(&harness.core)
        harness.send(2, to: 2, #","ref":2"#, from: sender)
        harness.settle()
        let answers = harness.stream(of: sender).texts
        #expect(answers.count == 2)
        #expect(
            answers.allSatisfy {
                $0.contains(#""code":"unavailable""#) && $0.contains(#""temporary":true"#)
            })
        // The same once more: it was committed.
        harness.direct.isLive = true
        harness.direct.answersAtOnce = true
        harness.send(1, to: 2, #","ref":1"#, from: sender)
        harness.settle()
        #expect(harness.stream(of: sender).texts.last == CoreHarness.firstSent)
        #expect(harness.direct.rows.count == 1)
    }

    @Test func `what is announced and isn't so brings nobody anything`() throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.openReader(user: 1)
        let receiver = try harness.openReader(user: 2)
        let stranger = try harness.openReader(user: 3)
        harness.send(1, to: 2, #","receipt":true,"ref":1"#, from: sender)
        harness.settle()
        let users = ([1, 2, 3] as [UInt64]).map { "\(CoreHarness.user($0))" }
        harness.direct.announced = [
            "m \(users[2]) \(users[0]) 1", "a \(users[1]) \(users[0]) 1",
            "m \(users[1]) \(users[0]) 77",
            "", "m", "x \(users[1]) \(users[0]) 1",
        ].map { Array($0.utf8) }
        harness.settle()
        #expect(harness.messages(of: stranger) == [])
        #expect(Set(harness.messages(of: receiver)) == [1])
        #expect(
            harness.answers(of: receiver) == []
                && harness.answers(of: sender) == [CoreHarness.firstSent])
        #expect(harness.core.metrics.notificationsInvalid == 3)
    }

    // MARK: Bounds

    @Test func `a sender has ten in a second and six hundred in an hour`() throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.open(user: 1)
        for number in 1...11 { harness.send(UInt64(number), to: 2, #","ref":1"#, from: sender) }
        harness.settle()
        let answers = harness.stream(of: sender).texts
        #expect(answers.count == 11)
        #expect(answers.count { $0.contains(#""code":"too_fast""#) } == 1)
        var count = 10
        for number in 0..<70 {
            harness.pass(milliseconds: 1_024)
            for place in 0..<10 {
                harness.send(UInt64(1_000 + number * 10 + place), to: 2, from: sender)
            }
            harness.settle()
            count += 10
        }
        let sent = harness.core.metrics.directMessages[.sent]
        #expect(sent > 600 && sent < 630, "\(sent) of \(count)")
    }

    @Test func `a sender's ten in a second are those of all the user's connections`() throws {
        var harness = try CoreHarness.withDirect()
        let clients = try (0..<3).map { _ in try harness.open(user: 1) }
        let other = try harness.open(user: 3)
        for number in 1...12 {
            harness.send(
                UInt64(number), to: 2, #","ref":\#(number)"#, from: clients[number % clients.count])
        }
        harness.send(13, to: 2, #","ref":13"#, from: other)
        harness.settle()
        let answers = clients.flatMap { harness.stream(of: $0).texts }
        #expect(answers.count == 12)
        #expect(answers.count { $0.hasPrefix(#"{"type":"ok""#) } == Int(Limits.directPerSecond))
        #expect(answers.count { $0.contains(#""code":"too_fast""#) } == 2)
        #expect(harness.stream(of: other).texts.count { $0.hasPrefix(#"{"type":"ok""#) } == 1)
    }

    @Test func `a user may ask for an inbox a hundred times at once, and ten times a second`()
        throws
    {
        var harness = try CoreHarness.withDirect()
        let client = try harness.open(user: 1)
        let second = try harness.open(user: 1)
        for number in 1...Limits.inboxesAtOnce + 2 {
            let asking = number % 2 == 0 ? client : second
            harness.receive(text: #"{"type":"inbox","ref":\#(number)}"#, from: asking)
        }
        harness.settle()
        let answers = harness.answers(of: client) + harness.answers(of: second)
        #expect(answers.count == Limits.inboxesAtOnce + 2)
        #expect(answers.count { $0.hasPrefix(#"{"type":"ok""#) } == 2)
        let refused = answers.filter { $0.contains(#""code":"too_fast""#) }
        #expect(refused.count == 2 && refused.allSatisfy { $0.contains(#""temporary":true"#) })
        #expect(harness.core.metrics.directInboxesRefused == 2)
        // Others may, and who was refused goes on getting what comes.
        let other = try harness.openReader(user: 2)
        harness.send(1, to: 1, from: other)
        harness.settle()
        #expect(harness.messages(of: client) == [1] && harness.messages(of: second) == [1])
        harness.pass(milliseconds: 1_000)
        for number in 1...15 {
            harness.receive(text: #"{"type":"inbox","ref":"\#(number)"}"#, from: client)
        }
        harness.settle()
        let codes = harness.answers(of: client).suffix(15)
        let refusedCount = codes.count { $0.contains(#""code":"too_fast""#) }
        #expect(refusedCount >= 3 && refusedCount <= 5, "\(refusedCount)")
        #expect(codes.last?.hasPrefix(#"{"type":"ok""#) == true)
    }

    @Test func `however often an inbox is asked for, one page of it is read at a time`() throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.open(user: 1)
        harness.send(1, to: 2, from: sender)
        harness.settle()
        harness.direct.answersAtOnce = false
        let receiver = try harness.open(user: 2)
        for number in 1...20 {
            harness.receive(text: #"{"type":"inbox","ref":\#(number)}"#, from: receiver)
            harness.turn()
            #expect(harness.direct.statementCount == 1)
        }
        let replaced = harness.answers(of: receiver)
        #expect(replaced.count == 19)
        #expect(replaced.allSatisfy { $0.contains(#""code":"unavailable""#) })
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(harness.messages(of: receiver) == [1])
        #expect(harness.answers(of: receiver).last?.hasPrefix(#"{"type":"ok","ref":20"#) == true)
    }

    @Test func `while their table is away they are unavailable, and readers are told`() throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1)
        harness.receive(text: #"{"type":"inbox","ref":1}"#, from: client)
        harness.settle()
        #expect(harness.answers(of: client)[0].contains(#""code":"unavailable""#))
        harness.beginDirect()
        harness.direct.answersAtOnce = false
        harness.receive(text: #"{"type":"inbox","ref":2}"#, from: client)
        harness.turn()
        harness.core.databaseIs(DatabaseState(direct: .absent))
        harness.send(1, to: 2, #","ref":3"#, from: client)
        harness.acknowledge([1], #","ref":4"#, from: client)
        harness.turn()
        let answers = harness.answers(of: client).dropFirst()
        #expect(answers.count == 3)
        // A client takes `direct_off` for final, and they may come back.
        #expect(answers.allSatisfy { $0.contains(#""code":"unavailable""#) })
        harness.direct.answerAll(&harness.core)
        harness.turn()
        #expect(harness.answers(of: client).count == 4)
    }

    @Test(arguments: [EventLogState.absent, .forbidden, .hidden, .unlogged])
    func `where there never were any they are off until there are`(state: EventLogState) throws {
        var harness = try CoreHarness()
        let client = try harness.open(user: 1)
        harness.core.databaseIs(DatabaseState(direct: state))
        harness.receive(text: #"{"type":"inbox","ref":1}"#, from: client)
        harness.send(1, to: 2, #","ref":2"#, from: client)
        harness.acknowledge([1], #","ref":3"#, from: client)
        harness.turn()
        var answers = harness.answers(of: client)
        #expect(answers.count == 3)
        #expect(answers.allSatisfy { $0.contains(#""code":"direct_off""#) })
        harness.core.databaseIs(DatabaseState(direct: .usable))
        harness.core.databaseIs(DatabaseState(direct: state))
        harness.receive(text: #"{"type":"inbox","ref":4}"#, from: client)
        harness.turn()
        answers = harness.answers(of: client)
        #expect(answers.last?.contains(#""code":"unavailable""#) == true)
        #expect(answers.last?.contains(#""temporary":true"#) == true)
    }

    @Test func `a long message passes, and others that are so long don't`() throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.open(user: 1)
        let filler = String(repeating: "x", count: Limits.directBytesMax - 8)
        harness.send(1, to: 2, data: #"{"t":"\#(filler)"}"#, #","ref":1"#, from: sender)
        harness.settle()
        #expect(harness.stream(of: sender).texts == [CoreHarness.firstSent])
        harness.send(2, to: 2, data: #"{"t":"\#(filler)x"}"#, #","ref":2"#, from: sender)
        harness.settle()
        #expect(harness.stream(of: sender).texts.last?.contains(#""code":"too_large""#) == true)
        harness.receive(
            text: #"{"type":"ping","ref":3,"x":"\#(filler)","y":"direct"}"#, from: sender)
        harness.settle()
        #expect(harness.stream(of: sender).closeCode == 1_009)
    }

    @Test(arguments: [
        (#""\u0000""#, "bad_message"), (#""\udbff""#, "bad_message"), ("1e400", "bad_message"),
        ("18446744073709551616", "bad_message"), (#"{"a":1,"a":1}"#, "bad_message"),
        (String(repeating: "[", count: 1_025) + String(repeating: "]", count: 1_025), "too_large"),
        ("[" + String(repeating: "1,", count: 1_024) + "1]", "too_large"),
    ])
    func `data that can't be read is refused by name, however long, and nothing ends`(
        value: String, code: String
    ) throws {
        var harness = try CoreHarness.withDirect()
        let sender = try harness.open(user: 1)
        for filler in [0, 600, 3_000] {
            harness.send(
                1, to: 2, data: #"{"t":"\#(String(repeating: "x", count: filler))","v":\#(value)}"#,
                #","ref":"r""#, from: sender)
            harness.settle()
            let answer = harness.stream(of: sender).texts.last ?? ""
            #expect(answer.hasPrefix(#"{"type":"error","ref":"r","code":"\#(code)","#))
            #expect(answer.hasSuffix(#","temporary":false,"id":"\#(CoreHarness.message(1))"}"#))
        }
        harness.send(1, to: 2, #","ref":1"#, from: sender)
        harness.settle()
        #expect(harness.stream(of: sender).texts.last == CoreHarness.firstSent)
        #expect(harness.stream(of: sender).texts.count == 4)
    }

    @Test func `what is long and bad and no direct message ends the connection`() throws {
        let filler = String(repeating: "x", count: 600)
        for text in [
            #"{"type":"ping","ref":1,"x":"\#(filler)\u0000","y":"direct"}"#,
            #"{"type":"direct","type":"ping","x":"\#(filler)"}"#,
            #"{"type":"ping","x":"direct","y":[\#(String(repeating: "1,", count: 1_024))1]}"#,
        ] {
            var harness = try CoreHarness.withDirect()
            let sender = try harness.open(user: 1)
            harness.receive(text: text, from: sender)
            harness.settle()
            #expect(harness.stream(of: sender).closeCode == 1_009)
        }
    }

    @Test func `those who go leave nothing behind`() throws {
        var harness = try CoreHarness.withDirect()
        let clients = try (0..<6).map { try harness.openReader(user: UInt64(1 + $0 % 2)) }
        harness.direct.answersAtOnce = false
        harness.send(1, to: 2, from: clients[0])
        harness.receive(text: #"{"type":"inbox"}"#, from: clients[1])
        harness.turn()
        for client in clients { harness.reset(client) }
        harness.turn()
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(harness.leftovers == [])
        let isEmpty = harness.core.direct.isEmpty
        #expect(isEmpty)
    }
}
