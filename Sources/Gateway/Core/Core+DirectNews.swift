package import Reactor

// What clients are told of direct messages: of those that are announced, and those in their inboxes.
extension Core {
    /// Reads the payload of a notification on `devhive_direct`. It is a hint, whoever has sent it: the rows
    /// that it names are read, if somebody here has to do with them and they aren't of this process.
    package mutating func noteDirect(_ payload: borrowing Span<UInt8>) {
        guard let hint = DirectHint(payload) else {
            metrics.notificationsInvalid += 1
            log.badNotification(
                detail: "not about a direct message", payload: payload, at: clock.now)
            return
        }
        if !direct.note(hint, payload) { metrics.notificationsWithoutAudience += 1 }
        announceOwn()
    }

    package mutating func noteDirect(_ payload: borrowing ByteBuffer) { noteDirect(payload.bytes) }

    /// What was announced of this process's own messages reaches clients, as far as it is known to be committed.
    mutating func announceOwn() {
        while let own = direct.removeAnnounced(mayRead: mayReadDirect, clock.now) {
            let send = own.send
            let header = ServerMessage.DirectHeader(
                id: send.id, sender: send.sender, recipient: send.recipient)
            var message = outbox.message()
            ServerMessage.writeDirect(
                header, data: send.data.span, timestamp: own.timestamp.span, into: &message.text)
            announce(&message, header, origin: send.origin)
            outbox.discard(message)
        }
    }

    // MARK: What is asked

    /// Whether messages may be read: what was committed before is only known to be all while the listener hears.
    /// After a read that was refused it waits for the next look at the table.
    package var mayReadDirect: Bool {
        database.isListening && database.direct == .usable && !database.doubtsDirect
    }

    /// Fills in the parameters of a statement that reads announced rows.
    package mutating func beginDirectRows(into parameters: inout QueryParameters) -> UInt64? {
        guard mayReadDirect, let tag = direct.beginRows() else { return nil }
        let rows = direct.asked(rows: tag)
        parameters.removeAll()
        parameters.append(
            text: "{" + rows.map { String($0.sequence) }.joined(separator: ",") + "}")
        parameters.append(
            text: "{" + rows.map { $0.isAcknowledgment ? "t" : "f" }.joined(separator: ",") + "}")
        return tag
    }

    /// How many rows a statement asks for; `nil` when its answer isn't wanted any more.
    package func directRowCount(of tag: UInt64) -> Int? {
        let count = direct.asked(rows: tag).count
        return count > 0 ? count : nil
    }

    /// The same for pages of inboxes.
    package mutating func beginDirectPages(into parameters: inout QueryParameters) -> UInt64? {
        guard mayReadDirect, let tag = direct.beginPages() else { return nil }
        var users = ByteBuffer()
        var transactions = ""
        var sequences = ""
        let handles = direct.asked(pages: tag)
        users.beginUUIDArray(count: handles.count)
        for handle in handles {
            guard let user = direct.user(of: handle.index) else {
                preconditionFailure("a page was begun for a connection without an inbox")
            }
            users.append(uuidElement: user)
            let place = direct.place(of: handle.index)
            transactions += (transactions.isEmpty ? "" : ",") + String(place.transaction)
            sequences += (sequences.isEmpty ? "" : ",") + String(place.sequence)
        }
        parameters.removeAll()
        parameters.append(binary: users)
        parameters.append(text: "{\(transactions)}")
        parameters.append(text: "{\(sequences)}")
        return tag
    }

    package func directPageCount(of tag: UInt64) -> Int? {
        let count = direct.asked(pages: tag).count
        return count > 0 ? count : nil
    }

    /// The statement wasn't answered: what it asked for is found in the inboxes.
    package mutating func directRowsFailed(_ tag: UInt64, _ failure: QueryFailure) {
        guard direct.finish(rows: tag) != nil else { return }
        if case .refused(let error) = failure {
            log.refused("reading direct messages", error, at: clock.now)
            database.doubtsDirect = true
        }
        direct.readAllAgain()
    }

    package mutating func directPagesFailed(_ tag: UInt64, _ failure: QueryFailure) {
        guard case .refused(let error) = failure else {
            direct.askAgain(pages: tag)
            return
        }
        log.refused("reading inboxes", error, at: clock.now)
        database.doubtsDirect = true
        // Nobody who asks is kept waiting for what can't be read. Those who were answered before are read for again
        // when it can be: they wouldn't ask.
        for handle in direct.asked(pages: tag) where direct.awaitsPage(handle, of: tag) {
            guard let index = clients.index(of: handle), let request = direct.request(of: index)
            else { continue }
            direct.remove(index)
            sendUncounted(.unavailable, "the inbox cannot be read at present", request, to: index)
        }
        direct.askAgain(pages: tag)
    }

    // MARK: What is announced

    /// Rows that were announced have been read.
    package mutating func receiveDirectRows(_ answer: borrowing DirectAnswer, tag: UInt64) {
        guard let asked = direct.finish(rows: tag) else { return }
        metrics.directUnreadable &+= UInt64(answer.unreadableCount)
        var position = 0
        while position < answer.count {
            guard asked[answer[position].position].isAcknowledgment else {
                announce(position, of: answer)
                position += 1
                continue
            }
            // One announcement is about one recipient and one sender.
            let first = answer[position]
            var end = position + 1
            guard first.isAcknowledged else {
                position = end
                continue
            }
            while end < answer.count, asked[answer[end].position].isAcknowledgment,
                answer[end].isAcknowledged,
                answer[end].message.recipient == first.message.recipient,
                answer[end].message.sender == first.message.sender,
                answer[end].acknowledger == first.acknowledger
            {
                end += 1
            }
            announceAcknowledged(position..<end, of: answer)
            position = end
        }
    }

    private mutating func announce(_ position: Int, of answer: borrowing DirectAnswer) {
        guard answer.hasData(position) else { return }
        var message = outbox.message()
        answer.write(position, into: &message.text)
        announce(&message, answer[position].message, origin: answer[position].origin)
        outbox.discard(message)
    }

    /// A message goes to the connections of its recipient, and to those of its sender that haven't sent it.
    private mutating func announce(
        _ message: inout OutgoingMessage, _ header: ServerMessage.DirectHeader, origin: UUID?
    ) {
        let segment = makeSegment(of: &message)
        var next = direct.firstReader(of: header.recipient)
        while let index = next {
            next = direct.nextReader(after: index)
            guard direct.takesNews(index) else { continue }
            guard !give(segment, to: index) else { continue }
            direct.fallBehind(index)
            outbox.markDirty(index, &clients[index].queue)
        }
        if header.sender != header.recipient {
            tell(segment, readersOf: header.sender, except: origin)
        }
        outbox.release(segment)
    }

    private mutating func announceAcknowledged(
        _ rows: Range<Int>, of answer: borrowing DirectAnswer
    ) {
        let first = answer[rows.lowerBound]
        var message = outbox.message()
        ServerMessage.beginAcknowledged(into: &message.text)
        for row in rows {
            ServerMessage.addUser(
                answer[row].message.id, isFirst: row == rows.lowerBound, to: &message.text)
        }
        ServerMessage.endAcknowledged(into: &message.text)
        var segment = makeSegment(of: &message)
        tell(segment, readersOf: first.message.recipient, except: first.acknowledger)
        outbox.release(segment)

        message.bytes.removeAll()
        ServerMessage.beginReceipt(into: &message.text)
        var count = 0
        for row in rows where answer[row].wantsReceipt {
            ServerMessage.addUser(answer[row].message.id, isFirst: count == 0, to: &message.text)
            count += 1
        }
        ServerMessage.endReceipt(by: first.message.recipient, into: &message.text)
        if count > 0 {
            segment = makeSegment(of: &message)
            tell(segment, readersOf: first.message.sender, except: nil)
            outbox.release(segment)
        }
        outbox.discard(message)
    }

    /// Tells a user's connections something that is told once: who can't take it misses it.
    private mutating func tell(
        _ segment: SegmentIndex, readersOf user: UserID, except origin: UUID?
    ) {
        var next = direct.firstReader(of: user)
        while let index = next {
            next = direct.nextReader(after: index)
            if let origin, origin == connectionID(of: index) { continue }
            if !give(segment, to: index) { metrics.directMissed += 1 }
        }
    }

    /// Queues frames for a connection whose socket takes them and that has room; false when it hasn't.
    private mutating func give(_ segment: SegmentIndex, to index: ClientIndex) -> Bool {
        guard clients[index].phase == .open,
            clients[index].queue.marks.isDisjoint(with: [.blocked, .sealed]),
            clients[index].queue.pieces.frameCount <= Limits.queueFramesMax / 2,
            outbox.hasRoom(
                forMissed: outbox.segments.count(of: segment), in: clients[index].queue)
        else { return false }
        metrics.directDeliveries &+= UInt64(outbox.segments.frames(of: segment))
        outbox.queueMissed(segment, for: index, &clients[index].queue, clock)
        return true
    }

    // MARK: Inboxes

    /// Pages of inboxes have been read.
    package mutating func receiveDirectPages(_ answer: borrowing DirectAnswer, tag: UInt64) {
        guard let handles = direct.finish(pages: tag) else { return }
        metrics.directUnreadable &+= UInt64(answer.unreadableCount)
        var start = 0
        for position in handles.indices {
            let rows = answer.rows(of: position, from: start)
            start = rows.upperBound
            guard direct.awaitsPage(handles[position], of: tag),
                let index = clients.index(of: handles[position])
            else { continue }
            givePage(rows, of: answer, to: index)
        }
    }

    private mutating func givePage(
        _ rows: Range<Int>, of answer: borrowing DirectAnswer, to index: ClientIndex
    ) {
        let page = rows.prefix(Limits.inboxPageMax)
        var message = outbox.message()
        for row in page where answer.hasData(row) {
            answer.write(row, into: &message.text)
            message.endFrame()
        }
        var isGiven = true
        if message.frameCount > 0 {
            let segment = outbox.segments.make(of: message.bytes, frames: message.frameCount)
            isGiven = give(segment, to: index)
            outbox.release(segment)
        }
        outbox.discard(message)
        guard isGiven else {
            direct.setBehind(index)
            outbox.markDirty(index, &clients[index].queue)
            return
        }
        let after = direct.notePage(
            of: index, last: page.last.map { answer[$0].place }, hasMore: rows.count > page.count,
            end: answer.end ?? Cursor(transaction: 0))
        switch after {
        case .more: outbox.markDirty(index, &clients[index].queue)
        case .read(let request, let cursor):
            if let request { confirm(request, from: cursor, to: index) }
        }
    }

    /// All that waited for the client is sent: its inbox is read on, if its socket takes more.
    mutating func continueInbox(of index: ClientIndex) {
        if !clients[index].queue.marks.contains(.blocked) { direct.endBehind(index) }
    }
}
