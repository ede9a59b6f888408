import Gateway
import Reactor
import Testing

/// What a client that comes back gets, and in which order, whatever happens while its read of the
/// event log is under way.
@Suite struct CoreResumeBehaviour {
    private func harness(errorsPerMinute: Int? = nil) throws -> CoreHarness {
        var limits = AdmissionLimits()
        limits.errorsPerMinute = errorsPerMinute
        var harness = try CoreHarness(admission: limits)
        harness.core.eventLogIs(.usable)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        return harness
    }

    private func kinds(of client: Int, in harness: borrowing CoreHarness) -> [String] {
        harness.stream(of: client).texts.map { message in
            if message.contains(#""RESYNC""#) { return "resync" }
            if message.contains(#""type":"ok""#) { return "ok" }
            if message.contains(#""type":"error""#) { return "error" }
            if message.contains(#""type":"ready""#) { return "ready" }
            if let start = message.firstRange(of: #""data":{"id":""#) {
                return String(message[start.upperBound...].prefix { $0 != "\"" })
            }
            return message
        }
    }

    @Test func `it gets what it missed, then ok with the read's cursor, then what came since`()
        throws
    {
        var harness = try harness()
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 5, from: client)
        let asked = try harness.askedReads()
        #expect(asked.projects == "{\(CoreHarness.project(1))}" && asked.cursors == "{100}")
        harness.notify(event: 8, project: 1)
        harness.answer(asked.tag, events: [1, 2], project: 1, cursor: 150)
        harness.notify(event: 9, project: 1)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["1", "2", "ok", "8", "9"])
        let ok = harness.stream(of: client).texts[2]
        #expect(ok == #"{"type":"ok","ref":5,"cursor":"150"}"#)
        harness.expectNothingLeftAfterResets()
    }

    /// The token came with the handshake, and the project with the URL.
    @Test func `a since in an init without a project is of the one that it is in`() throws {
        var harness = try harness()
        let client = try harness.open(project: 1)
        harness.receive(text: #"{"type":"init","since":"100","ref":5}"#, from: client)
        let asked = try harness.askedReads()
        #expect(asked.projects == "{\(CoreHarness.project(1))}" && asked.cursors == "{100}")
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        harness.settle()
        #expect(kinds(of: client, in: harness).suffix(3) == ["1", "ready", "ok"])
        harness.receive(text: #"{"type":"init","since":"zz","ref":6}"#, from: client)
        harness.settle()
        #expect(harness.stream(of: client).texts.contains { $0.contains("invalid_cursor") })
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a since without any project is refused, and said to be`() throws {
        var harness = try harness()
        let client = try harness.open()
        harness.receive(text: #"{"type":"init","since":"100","ref":5}"#, from: client)
        harness.settle()
        #expect(kinds(of: client, in: harness).suffix(3) == ["error", "ready", "ok"])
        #expect(harness.stream(of: client).texts.contains { $0.contains("invalid_cursor") })
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a client that comes during the read shares it`() throws {
        var harness = try harness()
        let first = try harness.open()
        let second = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: first)
        let asked = try harness.askedReads()
        harness.notify(event: 7, project: 1)
        harness.resume(1, since: "120", reference: 2, from: second)
        let again = harness.askEventLog()
        #expect(again == nil)
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        harness.settle()
        #expect(kinds(of: first, in: harness) == ["1", "ok", "7"])
        #expect(kinds(of: second, in: harness) == ["1", "ok", "7"])
    }

    @Test func `one with an older cursor waits for the next read`() throws {
        var harness = try harness()
        let first = try harness.open()
        let second = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: first)
        let asked = try harness.askedReads()
        harness.resume(1, since: "90", reference: 2, from: second)
        let nothing1 = harness.askEventLog()
        #expect(nothing1 == nil)
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        let next = try harness.askedReads()
        #expect(next.cursors == "{90}")
        harness.answer(next.tag, events: [0, 1], project: 1, cursor: 160)
        harness.settle()
        #expect(kinds(of: first, in: harness) == ["1", "ok"])
        #expect(kinds(of: second, in: harness) == ["0", "1", "ok"])
    }

    @Test func `a loss of the listener makes a read under way worthless`() throws {
        var harness = try harness()
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        let asked = try harness.askedReads()
        harness.core.listenerWasLost()
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        harness.settle()
        let isSilent = harness.stream(of: client).texts.isEmpty
        #expect(isSilent)
        let nothing2 = harness.askEventLog()
        #expect(nothing2 == nil, "nothing is read while nothing is heard")
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        let again = try harness.askedReads()
        harness.answer(again.tag, events: [1, 2], project: 1, cursor: 160)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["1", "2", "ok"])
    }

    @Test func `a loss of the listener costs nobody a subscription where members aren't checked`()
        throws
    {
        var harness = try harness()
        try harness.hearCanary(cursor: 90)
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        harness.core.listenerWasLost()
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        let asked = try harness.askedReads()
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        harness.notify(event: 2, project: 1)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["1", "ok", "2"])
    }

    @Test(arguments: [EventsAnswer.Row.expired, .tooMany])
    func `what can't be listed is a resync and a subscription`(row: EventsAnswer.Row) throws {
        var harness = try harness()
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        let asked = try harness.askedReads()
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 1_000_000))
        answer.append(row, project: 0, payload: Span())
        harness.core.receiveEvents(answer, tag: asked.tag)
        harness.core.answerResumes()
        harness.notify(event: 3, project: 1)
        harness.settle()
        #expect(
            kinds(of: client, in: harness) == ["resync", "resync", "resync", "resync", "ok", "3"])
    }

    @Test func `a cursor of the future is a resync, also beside others that aren't`() throws {
        var harness = try harness()
        let client = try harness.open()
        let other = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        harness.resume(1, since: "900", reference: 1, from: other)
        let asked = try harness.askedReads()
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 160))
        let payload = CoreHarness.payload(event: 1, project: 1)
        answer.append(.event, project: 0, payload: payload.span)
        harness.core.receiveEvents(answer, tag: asked.tag)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["1", "ok"])
        #expect(kinds(of: other, in: harness) == ["resync", "resync", "resync", "resync", "ok"])
    }

    @Test func `a thousand events are listed, one more is a resync`() throws {
        for count in [EventsQuery.eventsMax, EventsQuery.eventsMax + 1] {
            var harness = try harness()
            let client = try harness.open()
            harness.resume(1, since: "100", reference: 1, from: client)
            let asked = try harness.askedReads()
            harness.answer(asked.tag, events: Array(0..<count), project: 1, cursor: 150)
            harness.settle()
            let heard = kinds(of: client, in: harness)
            #expect(heard.count == (count > EventsQuery.eventsMax ? 5 : count + 1))
            #expect(heard.last == "ok")
        }
    }

    @Test func `a database that doesn't answer is a resync after ten seconds`() throws {
        var harness = try harness()
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        let asked = try harness.askedReads()
        harness.pass(milliseconds: 9_000)
        harness.core.expireReads()
        let isSilent = harness.stream(of: client).texts.isEmpty
        #expect(isSilent)
        harness.pass(milliseconds: 2_000)
        harness.core.expireReads()
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["resync", "resync", "resync", "resync", "ok"])
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        harness.settle()
        #expect(kinds(of: client, in: harness).count == 5)
    }

    @Test func `more than can be kept while the log is read is a resync instead`() throws {
        var harness = try harness()
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        let asked = try harness.askedReads()
        for event in 1...1_025 { harness.notify(event: event, project: 1) }
        harness.answer(asked.tag, events: [2_000], project: 1, cursor: 150)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["resync", "resync", "resync", "resync", "ok"])
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a client that leaves or goes while it waits gets nothing`() throws {
        var harness = try harness()
        let leaving = try harness.open()
        let going = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: leaving)
        harness.resume(1, since: "100", reference: 1, from: going)
        let asked = try harness.askedReads()
        harness.receive(text: #"{"type":"leave_project"}"#, from: leaving)
        harness.reset(going)
        harness.turn()
        harness.answer(asked.tag, events: [1], project: 1, cursor: 150)
        harness.notify(event: 2, project: 1)
        harness.settle()
        #expect(kinds(of: leaving, in: harness) == ["error"])
        harness.expectNothingLeftAfterResets()
    }

    @Test func `what is left before its answer isn't one of the client's mistakes`() throws {
        var harness = try harness(errorsPerMinute: 1)
        let client = try harness.open()
        for project in 1...3 as ClosedRange<UInt64> {
            harness.resume(project, since: "100", keep: true, reference: 1, from: client)
        }
        _ = try harness.askedReads()
        harness.join(4, from: client)
        harness.notify(event: 9, project: 4)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["error", "error", "error", "9"])
        harness.expectNothingLeftAfterResets()
    }

    @Test func `no answer stands behind the Close frame of too many errors`() throws {
        var harness = try harness(errorsPerMinute: 1)
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        _ = try harness.askedReads()
        for project in [3, 1] as [UInt64] {
            harness.receive(
                text: #"{"type":"leave_project","project_id":"\#(CoreHarness.project(project))"}"#,
                from: client)
        }
        harness.settle()
        // A frame behind it would be a failure of the stream itself.
        let closeCode = harness.stream(of: client).closeCode
        #expect(closeCode == 4301)
        harness.expectNothingLeftAfterResets()
    }

    @Test func `whoever joins a second project within a turn gets nothing of the first twice`()
        throws
    {
        var harness = try harness()
        let already = try harness.open(project: 1)
        harness.join(2, keep: true, from: already)
        let joining = try harness.open(project: 1)
        harness.settle()
        harness.notify(event: 5, project: 1)
        harness.join(2, keep: true, from: joining)
        harness.settle()
        for client in [already, joining] {
            let heard = kinds(of: client, in: harness).filter { $0 == "5" }
            #expect(heard.count == 1)
        }
    }

    @Test func `a slow client that is closed while it joins is in no project`() throws {
        var harness = try CoreHarness(disconnectsSlowConsumers: true)
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        let client = try harness.open(project: 1)
        harness.settle()
        harness.setCapacity(0, of: client)
        harness.notify(event: 0, project: 1)
        harness.turn()
        for event in 1...300 { harness.notify(event: event, project: 1) }
        harness.join(2, keep: true, from: client)
        harness.turn()
        let broken = harness.core.brokenInvariant()
        #expect(broken == nil)
        #expect(harness.core.hub.subscriptionCount == 0)
        harness.settle()
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a subscriber that resumes gets what comes meanwhile once, and in order`() throws {
        var harness = try harness()
        let client = try harness.open(project: 1)
        harness.settle()
        harness.resume(1, since: "100", reference: 1, from: client)
        let asked = try harness.askedReads()
        harness.notify(event: 8, project: 1)
        harness.settle()
        harness.answer(asked.tag, events: [1, 8], project: 1, cursor: 150)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["8", "1", "8", "ok"])
    }

    @Test func `an answer that was cut is asked for again from its last project on`() throws {
        var harness = try harness()
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        harness.resume(2, since: "100", keep: true, reference: 2, from: client)
        let asked = try harness.askedReads()
        var answer = EventsAnswer(
            cursor: Cursor(transaction: 150), last: Cursor(transaction: 1_000_000), isCut: true)
        for (place, event) in [(0, 1), (1, 2)] {
            let payload = CoreHarness.payload(event: event, project: UInt64(place + 1))
            answer.append(.event, project: place, payload: payload.span)
        }
        harness.core.receiveEvents(answer, tag: asked.tag)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["1", "ok"])
        let again = try harness.askedReads()
        #expect(again.projects == "{\(CoreHarness.project(2))}")
        harness.answer(again.tag, events: [2, 3], project: 2, cursor: 150)
        harness.settle()
        #expect(kinds(of: client, in: harness) == ["1", "ok", "2", "3", "ok"])
    }

    @Test func `the gateway's own catch-up reaches those who stayed, and notifications wait`()
        throws
    {
        var harness = try harness()
        try harness.hearCanary(cursor: 100)
        let client = try harness.open(project: 1)
        harness.settle()
        let before = harness.stream(of: client).texts.count
        harness.core.listenerWasLost()
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        let begins = harness.core.isCatchingUp
        #expect(begins)
        let asked = try harness.askedReads()
        #expect(asked.cursors == "{100}")
        harness.answer(asked.tag, events: [1, 2], project: 1, cursor: 150)
        let goesOn = harness.core.isCatchingUp
        #expect(!goesOn)
        harness.settle()
        #expect(Array(kinds(of: client, in: harness).dropFirst(before)) == ["1", "2"])
        harness.pass(milliseconds: 11_000)
        harness.core.expireReads()
        let deadline = harness.core.readsDeadline
        #expect(deadline == nil, "the loop would turn for nothing")
    }

    @Test func `what is being read when notifications are dropped is read again`() throws {
        var harness = try harness()
        let client = try harness.open()
        harness.resume(1, since: "100", reference: 1, from: client)
        harness.turn()
        let first = try harness.askedReads()
        harness.core.notificationsWereDropped(count: 1)
        harness.core.continueResync()
        let second = try harness.askedReads()
        harness.answer(first.tag, events: [1], project: 1, cursor: 150)
        harness.settle()
        #expect(kinds(of: client, in: harness).isEmpty, "it began before what was dropped")
        harness.answer(second.tag, events: [1, 2], project: 1, cursor: 160)
        harness.settle()
        #expect(kinds(of: client, in: harness).starts(with: ["1", "2"]))
    }

    @Test func `notifications that are dropped end a catch-up with a resync of everybody`() throws {
        var harness = try harness()
        try harness.hearCanary(cursor: 100)
        let client = try harness.open(project: 1)
        harness.settle()
        let before = harness.stream(of: client).texts.count
        harness.core.listenerWasLost()
        harness.core.listenerBecameLive()
        harness.core.notificationsWereDropped(count: 1)
        let goesOn = harness.core.isCatchingUp
        #expect(!goesOn)
        harness.core.continueResync()
        harness.settle()
        let heard = kinds(of: client, in: harness).dropFirst(before)
        #expect(heard.filter { $0 == "resync" }.count == 4)
    }

    @Test func `a hundred resyncs at once make nobody slow`() throws {
        var harness = try harness()
        harness.core.eventLogIs(.forbidden)
        let client = try harness.open()
        for project in 1...100 as ClosedRange<UInt64> {
            harness.resume(project, since: "1", keep: true, reference: 1, from: client)
        }
        harness.settle()
        let heard = kinds(of: client, in: harness)
        #expect(heard.filter { $0 == "ok" }.count == 100)
        #expect(heard.filter { $0 == "resync" }.count == 400)
        #expect(harness.stream(of: client).closeCode == nil)
        harness.notify(event: 7, project: 100)
        harness.settle()
        #expect(kinds(of: client, in: harness).last == "7")
        harness.expectNothingLeftAfterResets()
    }

    @Test func `a catch-up that takes too long is a resync of everybody`() throws {
        var harness = try harness()
        try harness.hearCanary(cursor: 100)
        let client = try harness.open(project: 1)
        harness.settle()
        let before = harness.stream(of: client).texts.count
        harness.core.listenerWasLost()
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        harness.pass(milliseconds: 11_000)
        harness.core.expireReads()
        let goesOn = harness.core.isCatchingUp
        #expect(!goesOn)
        harness.core.continueResync()
        harness.settle()
        let heard = kinds(of: client, in: harness).dropFirst(before)
        #expect(heard.filter { $0 == "resync" }.count == 4)
    }
}
