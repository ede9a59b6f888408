import Gateway
import Reactor
import Testing

/// What a buffer's first frame is.
private func place(in buffer: borrowing ByteBuffer) throws -> SessionFrame.Place {
    guard case .frame(let place) = SessionFrame.next(in: buffer, at: 0) else {
        throw NoFrame()
    }
    #expect(place.body.upperBound == buffer.count)
    return place
}

private struct NoFrame: Error {}

/// As `#require`, for what can't be copied.
private func unwrap<Value: ~Copyable>(_ value: consuming Value?) throws -> Value {
    guard let value = value else { throw NoFrame() }
    return value
}

private func rows(_ fields: [[String?]]) throws -> PostgresRows {
    var builder = try unwrap(PostgresRowsBuilder(columnCount: fields.first?.count ?? 0))
    for field in fields.joined() {
        if let field {
            let isDone = builder.append(field.utf8Span.span)
            #expect(isDone)
        } else {
            let isDone = builder.appendNull()
            #expect(isDone)
        }
    }
    return try unwrap(builder.finish())
}

private func bytes(of parameters: borrowing QueryParameters, _ index: Int) -> [UInt8] {
    let value = parameters.value(index)
    return value.indices.map { value[$0] }
}

private func texts(_ rows: borrowing PostgresRows) -> [[String?]] {
    (0..<rows.count).map { row in
        (0..<rows.columnCount).map { column in
            rows.isNull(row: row, column: column) ? nil : rows.text(row: row, column: column)
        }
    }
}

/// `nil` without rows.
private func findTexts(of answer: borrowing QueryAnswer) -> [[String?]]? {
    switch answer.outcome {
    case .rows(let rows): texts(rows)
    case .succeeded: nil
    case .failed: nil
    }
}

private func findFailure(of answer: borrowing QueryAnswer) -> QueryFailure? {
    switch answer.outcome {
    case .failed(let failure): failure
    case .rows: nil
    case .succeeded: nil
    }
}

@Suite struct SessionFrameBehaviour {
    @Test func `rows come out as they went in, with NULLs and empty fields`() throws {
        let fields: [[String?]] = [
            ["a", nil, ""], [String(repeating: "x", count: 70_000), "ä", "0"],
        ]
        var buffer = ByteBuffer()
        let answer = QueryAnswer(query: .events, tag: .max, outcome: .rows(try rows(fields)))
        SessionFrame.writeAnswer(answer, into: &buffer)
        let place = try place(in: buffer)
        #expect(place.kind == .answer)
        let read = try unwrap(SessionFrame.answer(buffer.bytes.extracting(place.body)))
        let facts = (read.query, read.tag, read.follower == nil)
        #expect(facts == (.events, .max, true))
        let found = findTexts(of: read)
        #expect(found == fields)
    }

    @Test func `no rows keep their columns`() throws {
        var buffer = ByteBuffer()
        let builder = try unwrap(PostgresRowsBuilder(columnCount: 3))
        SessionFrame.writeState(try unwrap(builder.finish()), into: &buffer)
        let found = try unwrap(
            SessionFrame.state(buffer.bytes.extracting(try place(in: buffer).body)))
        let counts = [found.count, found.columnCount]
        #expect(counts == [0, 3])
    }

    @Test(arguments: [
        PostgresError(message: "closed"),
        PostgresError(
            sqlstate: "42501", message: "denied", detail: "", hint: "grant", context: "PL",
            position: 17),
    ])
    func `an error comes out field by field`(error: PostgresError) throws {
        var buffer = ByteBuffer()
        SessionFrame.writeAnswer(
            QueryAnswer(query: .members, tag: 1, outcome: .failed(.refused(error))), into: &buffer)
        let read = try unwrap(
            SessionFrame.answer(buffer.bytes.extracting(try place(in: buffer).body)))
        let failure = findFailure(of: read)
        #expect(failure == .refused(error))
    }

    @Test func `a question comes out with its parameters, text and binary`() throws {
        var parameters = QueryParameters()
        parameters.append(text: "text")
        parameters.append(binary: [0, 1, 255].span)
        parameters.append(decimal: -5)
        var buffer = ByteBuffer()
        SessionFrame.writeQuestion(.directSend, parameters, tag: 7, into: &buffer)
        var found = QueryParameters()
        let place = try place(in: buffer)
        let question = SessionFrame.question(buffer.bytes.extracting(place.body), into: &found)
        let asked = try #require(question)
        let count = found.count
        #expect(asked.query == .directSend && asked.tag == 7 && count == 3)
        for index in 0..<3 {
            let isBinary = found.isBinary(index)
            #expect(isBinary == (index == 1))
            let (one, other) = (bytes(of: found, index), bytes(of: parameters, index))
            #expect(one == other)
        }
    }

    @Test(arguments: DatabaseQuery.allCases)
    func `what the leader does alone nobody asks of it`(query: DatabaseQuery) throws {
        var buffer = ByteBuffer()
        SessionFrame.writeQuestion(query, QueryParameters(), tag: 0, into: &buffer)
        var found = QueryParameters()
        let place = try place(in: buffer)
        let asked = SessionFrame.question(buffer.bytes.extracting(place.body), into: &found)
        #expect((asked != nil) == query.isRelayed)
        #expect(
            query.isRelayed != [.path, .resources, .canary, .prune, .directPrune].contains(query))
    }

    @Test func `tables come out as they went in`() throws {
        var tables = AnnouncedTables(switched: Cursor(transaction: 12), total: 300)
        tables.add("projects", mark: "17")
        tables.add("tasks", mark: nil)
        for told in [
            RelayedTables(), RelayedTables(tables),
            RelayedTables(tables, membersFault: "is a view"),
        ] {
            var buffer = ByteBuffer()
            told.write(into: &buffer)
            let place = try place(in: buffer)
            let read = RelayedTables(buffer.bytes.extracting(place.body))
            #expect(read == told)
        }
    }

    @Test func `a frame is incomplete up to its last byte, and its body malformed`() throws {
        var parameters = QueryParameters()
        parameters.append(text: "text")
        var tables = AnnouncedTables(switched: Cursor(transaction: 12))
        tables.add("projects", mark: "17")
        var frames: [[UInt8]] = []
        var buffer = ByteBuffer()
        SessionFrame.writeQuestion(.members, parameters, tag: 7, into: &buffer)
        frames.append(buffer.copy())
        buffer.removeAll()
        SessionFrame.writeAnswer(
            QueryAnswer(query: .members, tag: 1, outcome: .rows(try rows([["1"], [nil]]))),
            into: &buffer)
        frames.append(buffer.copy())
        buffer.removeAll()
        RelayedTables(tables, membersFault: "is a view").write(into: &buffer)
        frames.append(buffer.copy())
        for frame in frames {
            for count in 0..<frame.count {
                buffer.removeAll()
                buffer.append(frame.span.extracting(0..<count))
                let next = SessionFrame.next(in: buffer, at: 0)
                #expect(next == .incomplete)
                guard count > SessionFrame.headerBytes else { continue }
                let body = frame.span.extracting(SessionFrame.headerBytes..<count)
                switch SessionFrame.Kind(rawValue: frame[4]) {
                case .question:
                    var found = QueryParameters()
                    let asked = SessionFrame.question(body, into: &found)
                    #expect(asked == nil)
                case .answer:
                    let isMalformed = SessionFrame.answer(body) == nil
                    #expect(isMalformed)
                default:
                    let tables = RelayedTables(body)
                    #expect(tables == nil)
                }
            }
        }
    }

    @Test func `lengths and kinds that no frame has are malformed`() {
        for (bytes, isMalformed) in [
            ([0, 0, 0, 0, 2] as [UInt8], true), ([0, 0, 0, 1, 0], true), ([0, 0, 0, 1, 8], true),
            ([255, 255, 255, 255, 2], true), ([0, 0, 0, 2, 2], false),
        ] {
            var buffer = ByteBuffer()
            buffer.append(bytes.span)
            let next = SessionFrame.next(in: buffer, at: 0)
            #expect((next == .malformed) == isMalformed)
        }
        for (bytes, isGood) in [
            ([15] as [UInt8], true), ([16], false), ([], false), ([1, 1], false),
        ] {
            let status = SessionStatus(bytes.span)
            #expect((status != nil) == isGood)
        }
    }

    @Test func `no bytes make a reader trap`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<64, using: &generator)
            // Small numbers, so that some of the lengths fit.
            let body = (0..<count).map { _ in UInt8.random(in: 0...3, using: &generator) }
            var found = QueryParameters()
            _ = SessionFrame.question(body.span, into: &found)
            let answer = SessionFrame.answer(body.span)
            let state = SessionFrame.state(body.span)
            _ = RelayedTables(body.span)
            var heard = HeardNotifications()
            _ = heard.append(body.span)
            _ = (answer == nil, state == nil)
        }
    }

    @Test func `control packets come out as they went in`() {
        let control = SessionControl(.leaderIsSilent, 0x0102_0304)
        #expect(SessionControl(control.bytes) == control)
        #expect(control.bytes.count <= DescriptorPacket.bytesMax)
        #expect(SessionControl([]) == nil && SessionControl([0, 0, 0, 0, 1]) == nil)
        #expect(SessionControl([6, 0, 0, 0, 1]) == nil)
        #expect(SessionControl([1, 0, 0, 0]) == nil && SessionControl([1, 0, 0, 0, 1, 0]) == nil)
    }
}

@Suite struct FollowerBehaviour {
    @Test func `what was heard comes out in its order, by its channel`() {
        var heard = HeardNotifications()
        var buffer = ByteBuffer()
        let channels: [HeardChannel] = [.changes, .direct, .canary, .changes]
        for (number, channel) in channels.enumerated() {
            buffer.removeAll()
            let payload = Array("payload \(number)".utf8)
            HeardChannel.write(payload.span, on: channel, into: &buffer)
            let isKept = heard.append(
                buffer.bytes.extracting(SessionFrame.headerBytes..<buffer.count))
            #expect(isKept)
        }
        var payload = ByteBuffer()
        for (number, channel) in channels.enumerated() {
            let found = heard.dequeueFirst(into: &payload)
            let text = String(decoding: payload)
            #expect(found == channel && text == "payload \(number)")
        }
        let isEmpty = heard.isEmpty
        let more = heard.dequeueFirst(into: &payload)
        #expect(isEmpty && more == nil)
    }

    @Test func `a question waits for a live leader, and is bounded by its kind`() {
        var questions = RelayedQuestions()
        let early = questions.ask(.members, QueryParameters(), tag: 1)
        questions.isLive = true
        let alone = questions.ask(.canary, QueryParameters(), tag: 1)
        #expect(early == .notLive && alone == .notLive)
        for tag in 0..<DatabaseQuery.members.pendingMax {
            let outcome = questions.ask(.members, QueryParameters(), tag: UInt64(tag))
            #expect(outcome == .asked)
        }
        let room = (questions.hasRoom(for: .members), questions.hasRoom(for: .events))
        let outcome = questions.ask(.members, QueryParameters(), tag: 9)
        let byteCount = questions.outgoing.count
        #expect(room == (false, true) && outcome == .full && byteCount > 0)
    }

    @Test func `an answer goes to who asked, and one that nobody asked for to nobody`() throws {
        var questions = RelayedQuestions()
        questions.isLive = true
        _ = questions.ask(.members, QueryParameters(), tag: 5)
        let isForNobody = questions.receive(
            QueryAnswer(query: .members, tag: 4, outcome: .succeeded))
        let isOfAnotherKind = questions.receive(
            QueryAnswer(query: .events, tag: 5, outcome: .succeeded))
        let isForAsker = questions.receive(
            QueryAnswer(query: .members, tag: 5, outcome: .succeeded))
        #expect(!isForNobody && !isOfAnotherKind && isForAsker)
        let hasRoom = questions.hasRoomForAnswer
        let answer = try unwrap(questions.dequeueAnswer())
        let tag = answer.tag
        let count = questions.pendingCount(of: .members)
        #expect(!hasRoom && tag == 5 && count == 0)
    }

    @Test func `with the link every question fails, once`() {
        var questions = RelayedQuestions()
        questions.isLive = true
        _ = questions.ask(.members, QueryParameters(), tag: 5)
        _ = questions.ask(.events, QueryParameters(), tag: 6)
        questions.fail()
        let left = (questions.outgoing.count, questions.isLive)
        #expect(left == (0, false))
        var tags: [UInt64] = []
        while let answer = questions.dequeueAnswer() {
            tags.append(answer.tag)
            let failure = findFailure(of: answer)
            #expect(failure == .lost)
        }
        #expect(tags == [5, 6])
    }
}

@Suite struct WaitingQuestionsBehaviour {
    @Test func `a follower has no more questions than the kinds allow`() throws {
        var waiting = WaitingQuestions()
        var scratch = QueryParameters()
        var buffer = ByteBuffer()
        SessionFrame.writeQuestion(.members, QueryParameters(), tag: 1, into: &buffer)
        let place = try place(in: buffer)
        for count in 0...WaitingQuestions.countMax {
            let isKept = waiting.append(
                buffer.bytes.extracting(place.body), checkedIn: &scratch)
            #expect(isKept == (count < WaitingQuestions.countMax))
        }
    }

    @Test func `each session gets its own questions, in their order`() throws {
        var waiting = WaitingQuestions()
        var scratch = QueryParameters()
        var buffer = ByteBuffer()
        for (query, tag) in [(DatabaseQuery.events, 1), (.members, 2), (.members, 3)] {
            buffer.removeAll()
            SessionFrame.writeQuestion(query, QueryParameters(), tag: UInt64(tag), into: &buffer)
            let place = try place(in: buffer)
            let isKept = waiting.append(
                buffer.bytes.extracting(place.body), checkedIn: &scratch)
            #expect(isKept)
        }
        // One that isn't connected, for which nobody waits.
        let session = QuerySession(target: try ConnectionString("host=127.0.0.1"), seed: 1)
        for (isAboutMembers, tag) in [(true, 2), (true, 3), (false, 1)] {
            let next = waiting.dequeue(
                for: session, isAboutMembers: isAboutMembers, into: &scratch)
            #expect(next?.tag == UInt64(tag))
        }
        #expect(waiting.isEmpty)
    }
}
