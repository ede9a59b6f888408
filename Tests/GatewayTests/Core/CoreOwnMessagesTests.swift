import Gateway
import Reactor
import Testing

/// What clients of this process send is given to their recipients without being read.
@Suite struct CoreOwnMessagesBehaviour {
    /// A sender and a receiver, and statements that are executed and answered when the test says so.
    private static func goStepwise(
        _ harness: inout CoreHarness
    ) throws -> (sender: Int, receiver: Int) {
        let sender = try harness.openReader(user: 1)
        let receiver = try harness.openReader(user: 2)
        harness.direct.answersAtOnce = false
        return (sender, receiver)
    }

    @Test func `what this process sent is given without reading, not before it is answered`() throws
    {
        var harness = try CoreHarness.withDirect()
        let (sender, receiver) = try Self.goStepwise(&harness)
        let other = try harness.open(user: 1)
        harness.receive(text: #"{"type":"inbox"}"#, from: other)
        harness.turn()
        harness.direct.answerAll(&harness.core)
        harness.send(1, to: 2, data: #"{"n": 1.0}"#, #","ref":1"#, from: sender)
        harness.turn()
        harness.direct.execute(upTo: 1)
        harness.turn()
        harness.turn()
        #expect(harness.messages(of: receiver) == [] && harness.direct.statementCount == 1)
        harness.direct.answerFirst(&harness.core)
        harness.turn()
        let text =
            #"{"type":"direct","id":"\#(CoreHarness.message(1))","from":"\#(CoreHarness.user(1))","#
            + #""to":"\#(CoreHarness.user(2))","data":{"n": 1.0},"#
            + #""timestamp":"2026-01-02T03:04:05.000006Z"}"#
        #expect(harness.stream(of: receiver).texts == [text])
        #expect(harness.stream(of: other).texts.last == text)
        #expect(harness.stream(of: sender).texts == [CoreHarness.firstSent])
        #expect(harness.direct.statementCount == 0)
        // The answer first.
        harness.direct.announcesAtOnce = false
        harness.send(2, to: 2, from: sender)
        harness.turn()
        harness.direct.answerFirst(&harness.core)
        harness.turn()
        #expect(harness.messages(of: receiver) == [1])
        harness.direct.announcesAtOnce = true
        harness.turn()
        #expect(harness.messages(of: receiver) == [1, 2] && harness.direct.statementCount == 0)
        #expect(harness.core.direct.own.count == 0)
    }

    @Test func `one whose answer is lost is read`() throws {
        var harness = try CoreHarness.withDirect()
        let (sender, receiver) = try Self.goStepwise(&harness)
        harness.send(1, to: 2, from: sender)
        harness.turn()
        harness.direct.execute(upTo: 1)
        harness.turn()
        harness.direct.lose(&harness.core)
        harness.turn()
        #expect(harness.messages(of: receiver) == [])
        harness.direct.isLive = true
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(harness.messages(of: receiver) == [1])
    }

    @Test func `one that isn't sent is given to nobody, whoever announces it`() throws {
        var harness = try CoreHarness.withDirect()
        let stranger = try harness.openReader(user: 3)
        let (sender, receiver) = try Self.goStepwise(&harness)
        let (one, two) = (CoreHarness.user(1), CoreHarness.user(2))
        harness.send(1, to: 2, #","ref":1"#, from: sender)
        harness.turn()
        harness.direct.announced = [
            "m \(two) \(one) 1 \(CoreHarness.message(1))",
            "m \(CoreHarness.user(3)) \(one) 1 \(CoreHarness.message(1))",
        ].map { Array($0.utf8) }
        harness.turn()
        harness.direct.refuseFirst(&harness.core)
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(harness.messages(of: receiver) == [] && harness.messages(of: stranger) == [])
        #expect(harness.stream(of: sender).texts.first?.contains("unavailable") == true)
        #expect(harness.core.direct.own.count == 0)
    }

    @Test func `made-up announcements of what is under way bring it once more at most`() throws {
        let (one, two) = (CoreHarness.user(1), CoreHarness.user(2))
        let forged = Array("m \(two) \(one) 77 \(CoreHarness.message(1))".utf8)
        for count in [1, 3, Limits.directOwnHintsMax + 9] {
            var harness = try CoreHarness.withDirect()
            let (sender, receiver) = try Self.goStepwise(&harness)
            harness.send(1, to: 2, from: sender)
            harness.turn()
            harness.direct.announced = Array(repeating: forged, count: count)
            harness.turn()
            #expect(harness.core.direct.own.waitingCount == min(count, Limits.directOwnHintsMax))
            harness.direct.execute(upTo: 1)
            harness.turn()
            #expect(harness.messages(of: receiver) == [])
            harness.direct.answersAtOnce = true
            harness.settle()
            let messages = harness.messages(of: receiver)
            #expect(messages == [1] || messages == [1, 1])
            #expect(harness.core.direct.own.waitingCount == 0)
        }
    }

    @Test func `what is announced behind a message that is read comes behind it`() throws {
        var harness = try CoreHarness.withDirect()
        let (sender, receiver) = try Self.goStepwise(&harness)
        harness.send(1, to: 2, from: sender)
        harness.turn()
        let transaction = harness.direct.beginApplication(
            from: CoreHarness.user(3), to: CoreHarness.user(2), id: CoreHarness.message(7))
        harness.direct.commit(transaction)
        harness.direct.execute(upTo: 1)
        harness.turn()
        harness.direct.answerFirst(&harness.core)
        harness.turn()
        #expect(harness.messages(of: receiver) == [])
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(harness.messages(of: receiver) == [7, 1])
    }

    @Test func `what is announced while the only page is read comes behind it`() throws {
        var harness = try CoreHarness.withDirect()
        let (sender, _) = try Self.goStepwise(&harness)
        let late = try harness.open(user: 2)
        harness.receive(text: #"{"type":"inbox","ref":8}"#, from: late)
        harness.turn()
        harness.send(1, to: 2, from: sender)
        harness.turn()
        #expect(harness.direct.statementCount == 2)
        harness.direct.execute(upTo: 2)
        harness.turn()
        harness.direct.answerFirst(&harness.core)
        harness.turn()
        #expect(harness.messages(of: late) == [])
        harness.direct.answerFirst(&harness.core)
        harness.turn()
        #expect(harness.messages(of: late) == [1])
    }

    @Test func `a page that was asked for behind it has it, and it comes once`() throws {
        var harness = try CoreHarness.withDirect()
        let (sender, _) = try Self.goStepwise(&harness)
        harness.send(1, to: 2, from: sender)
        harness.turn()
        let late = try harness.open(user: 2)
        harness.receive(text: #"{"type":"inbox","ref":8}"#, from: late)
        harness.turn()
        #expect(harness.direct.statementCount == 2)
        harness.direct.execute(upTo: 1)
        harness.turn()
        harness.direct.answerFirst(&harness.core)
        harness.turn()
        #expect(harness.messages(of: late) == [])
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(harness.messages(of: late) == [1])
    }

    @Test func `of two under one id the one that was sent is given`() throws {
        for isOneTurn in [true, false] {
            var harness = try CoreHarness.withDirect()
            let (sender, receiver) = try Self.goStepwise(&harness)
            harness.send(1, to: 2, data: #"{"n":1}"#, from: sender)
            if !isOneTurn { harness.turn() }
            harness.send(1, to: 2, data: #"{"n":2}"#, from: sender)
            harness.turn()
            harness.direct.answersAtOnce = true
            harness.settle()
            let texts = harness.stream(of: receiver).texts
            #expect(texts.count == 1 && texts[0].contains(#""data":{"n":1}"#))
            #expect(harness.core.direct.own.count == 0)
        }
    }

    @Test func `one whose time is over when it is announced is given to nobody`() throws {
        var harness = try CoreHarness.withDirect()
        let (sender, receiver) = try Self.goStepwise(&harness)
        harness.direct.announcesAtOnce = false
        harness.send(1, to: 2, #","ttl_s":1"#, from: sender)
        harness.turn()
        harness.direct.answerFirst(&harness.core)
        harness.pass(milliseconds: 1_024)
        harness.direct.now += 2
        harness.direct.announcesAtOnce = true
        harness.direct.answersAtOnce = true
        harness.settle()
        #expect(harness.messages(of: receiver) == [])
    }

    @Test func `without a listener or a table nothing is given`() throws {
        var harness = try CoreHarness.withDirect()
        let (sender, receiver) = try Self.goStepwise(&harness)
        harness.send(1, to: 2, from: sender)
        harness.turn()
        harness.direct.execute(upTo: 1)
        harness.turn()
        harness.core.listenerWasLost()
        harness.direct.answerFirst(&harness.core)
        harness.turn()
        #expect(harness.messages(of: receiver) == [])
        harness.direct.answersAtOnce = true
        harness.beginListening()
        #expect(harness.messages(of: receiver) == [1])
    }
}
