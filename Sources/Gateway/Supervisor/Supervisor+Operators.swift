internal import Reactor

// Operators' connections: plain HTTP, one request after the other.
extension Supervisor {
    /// Silence after which a connection is closed.
    private static let idleNanoseconds: UInt64 = 60_000_000_000
    /// What a peer gets to close its end after the last answer.
    private static let endNanoseconds: UInt64 = 2_000_000_000
    /// The time in which workers have to answer: most probes give up after a second.
    private static let answerNanoseconds: UInt64 = 750_000_000

    /// Operators accepted in a turn: fewer than may come, so that those before them are heard.
    private static let acceptsPerTurn = 4

    /// How long nobody is accepted after descriptors ran out.
    private static let acceptPauseNanoseconds: UInt64 = 1_000_000_000

    mutating func acceptOperators() {
        for _ in 0..<Self.acceptsPerTurn {
            switch listener.accept() {
            case .accepted(let descriptor, _): admit(descriptor)
            case .aborted: continue
            case .wouldBlock: return
            case .exhausted(let error):
                log.failed("accept", error: error.description)
                listenerPausedUntil = now.advanced(byNanoseconds: Self.acceptPauseNanoseconds)
                watchListener([])
                return
            }
        }
    }

    mutating func resumeAccepting() {
        guard let until = listenerPausedUntil, until <= now else { return }
        listenerPausedUntil = nil
        watchListener(.read)
    }

    private func watchListener(_ interest: Interest) {
        let handle = Handle(kind: Kind.listener.rawValue, index: 0, generation: 0)
        do throws(Errno) {
            try poller.modify(listener.descriptor, handle: handle, interest: interest)
        } catch {
            // EPOLL_CTL_MOD of a registered descriptor needs no memory: this is a bug.
            preconditionFailure("the listener can't be watched: \(error)")
        }
    }

    private mutating func admit(_ descriptor: Int32) {
        if connections.isFull, let oldest = connections.nextToGiveWay { close(connection: oldest) }
        let deadline = now.advanced(byNanoseconds: Self.idleNanoseconds)
        let handle = connections.insert(
            AdminConnection(descriptor: descriptor, deadline: deadline))
        do throws(Errno) {
            try poller.add(descriptor, handle: handle, interest: .read)
        } catch {
            log.failed("epoll_ctl", error: error.description)
            close(connection: handle)
        }
    }

    /// Something has happened on the connection.
    mutating func serve(_ handle: Handle, _ readiness: Readiness) {
        guard let connection = connections[handle] else { return }
        if readiness.isBroken {
            close(connection: handle)
        } else if connection.wanted == .read {
            receive(handle)
        } else {
            advance(handle)
        }
    }

    private mutating func receive(_ handle: Handle) {
        guard let descriptor = connections[handle]?.descriptor else { return }
        area.begin()
        switch area.receive(from: descriptor) {
        case .bytes:
            connections[handle]?.deadline = now.advanced(byNanoseconds: Self.idleNanoseconds)
            // What comes after the last answer is of no interest, but has to be read.
            if connections[handle]?.isEnding == false {
                connections[handle]?.input += area.copy()
                advance(handle)
            }
        case .wouldBlock:
            break
        case .endOfStream, .failed:
            close(connection: handle)
        }
    }

    /// Goes on as far as that is possible without waiting: sends, then receives the next request.
    private mutating func advance(_ handle: Handle) {
        while let connection = connections[handle], connection.inquiry == nil {
            if connection.sent < connection.output.count {
                guard send(handle) else { break }
            } else if connection.isLast {
                end(handle)
                break
            } else if !receiveRequest(handle) {
                break
            }
        }
        applyInterest(handle)
    }

    /// Returns whether the kernel took it all.
    private mutating func send(_ handle: Handle) -> Bool {
        guard let connection = connections[handle] else { return false }
        let rest = connection.output[connection.sent...]
        switch ClientSocket.send(rest.span, to: connection.descriptor) {
        case .sent(let count):
            connections[handle]?.sent += count
            guard count == rest.count else { return false }
            connections[handle]?.output = []
            connections[handle]?.sent = 0
            return true
        case .wouldBlock:
            return false
        case .failed:
            close(connection: handle)
            return false
        }
    }

    private mutating func end(_ handle: Handle) {
        guard let connection = connections[handle], !connection.isEnding else { return }
        ClientSocket.finishSending(connection.descriptor)
        connections[handle]?.isEnding = true
        connections[handle]?.deadline = now.advanced(byNanoseconds: Self.endNanoseconds)
    }

    private mutating func applyInterest(_ handle: Handle) {
        guard let connection = connections[handle], connection.interest != connection.wanted else {
            return
        }
        do throws(Errno) {
            try poller.modify(
                connection.descriptor, handle: handle, interest: connection.wanted)
            connections[handle]?.interest = connection.wanted
        } catch {
            // EPOLL_CTL_MOD of a registered descriptor needs no memory: this is a bug.
            preconditionFailure("a connection can't be watched: \(error)")
        }
    }

    private mutating func close(connection handle: Handle) {
        guard let connection = connections[handle] else { return }
        closeAsks(for: handle)
        ClientSocket.close(connection.descriptor)
        connections[handle] = nil
    }

    mutating func becameDue(_ handle: Handle) {
        if connections[handle]?.inquiry == nil {
            close(connection: handle)
        } else {
            answer(handle)
        }
    }

    // MARK: Requests

    /// Receives the next request out of what has come. Returns `false` when it isn't complete.
    private mutating func receiveRequest(_ handle: Handle) -> Bool {
        guard let connection = connections[handle] else { return false }
        var head = RequestHead()
        var parser = connection.parser
        switch parser.parse(connection.input.span, into: &head) {
        case .incomplete:
            connections[handle]?.parser = parser
            return false
        case .failure(let error):
            connections[handle]?.input = []
            refuse(handle, error, as: .closing)
        case .complete(let count):
            let bytes = Array(connection.input[..<count])
            connections[handle]?.parser = parser
            connections[handle]?.input.removeFirst(count)
            answer(head, in: bytes.span, to: handle)
        }
        return true
    }

    private mutating func answer(
        _ head: RequestHead, in bytes: borrowing Span<UInt8>, to handle: Handle
    ) {
        let form = ResponseForm(answering: head)
        let question: Question
        switch Route(of: head, in: bytes, on: .admin) {
        case .live: question = .live
        case .ready: question = .ready
        case .metrics: question = .metrics
        case .notFound, .webSocket, .projectStatus:
            refuse(handle, .notFound, as: form)
            return
        case .methodNotAllowed(let allowed):
            refuse(handle, .methodNotAllowed(allowed), as: form)
            return
        }
        do throws(HTTPError) {
            let isVerbose = try Query(of: head, in: bytes).verbose.isPresent
            askAll(question, isVerbose: isVerbose, as: form, for: handle)
        } catch {
            refuse(handle, error, as: form)
        }
    }

    // MARK: Questions to all workers

    private mutating func askAll(
        _ question: Question, isVerbose: Bool, as form: ResponseForm, for handle: Handle
    ) {
        var inquiry = Inquiry(
            question: question, isVerbose: isVerbose, form: form,
            replies: Array(repeating: .unasked, count: workers.count))
        for index in workers.indices where workers[index].lifecycle.isRunning {
            inquiry.replies[index] = ask(index, question, for: handle)
            if inquiry.replies[index] == .awaited { inquiry.pending += 1 }
        }
        connections[handle]?.inquiry = inquiry
        connections[handle]?.deadline = now.advanced(byNanoseconds: Self.answerNanoseconds)
        if inquiry.pending == 0 { writeAnswer(to: handle) }
    }

    /// One worker has answered, or never will.
    mutating func receive(_ reply: WorkerReply, of worker: Int, for handle: Handle) {
        guard connections[handle]?.inquiry?.replies[worker] == .awaited else { return }
        connections[handle]?.inquiry?.replies[worker] = reply
        connections[handle]?.inquiry?.pending -= 1
        if connections[handle]?.inquiry?.pending == 0 { self.answer(handle) }
    }

    /// Answers the operator with what the workers have said up to now.
    private mutating func answer(_ handle: Handle) {
        writeAnswer(to: handle)
        advance(handle)
    }

    private mutating func writeAnswer(to handle: Handle) {
        guard let inquiry = connections[handle]?.inquiry else { return }
        closeAsks(for: handle)
        connections[handle]?.inquiry = nil
        let type: ContentType
        var status = HTTPStatus.ok
        text.removeAll()
        switch inquiry.question {
        case .live, .ready:
            type = .plainText
            let report = report(on: inquiry)
            if !report.isGood { status = .serviceUnavailable }
            text.append(text: report.text(isVerbose: inquiry.isVerbose))
        case .metrics:
            type = .metrics
            summedMetrics().write(into: &text)
        }
        response.removeAll()
        ResponseWriter.write(status, type, body: text, as: inquiry.form, into: &response)
        queueResponse(to: handle, keepAlive: inquiry.form.keepAlive)
    }

    private mutating func refuse(_ handle: Handle, _ error: HTTPError, as form: ResponseForm) {
        response.removeAll()
        ResponseWriter.write(error, as: form, into: &response)
        queueResponse(to: handle, keepAlive: form.keepAlive && !error.closesConnection)
    }

    private mutating func queueResponse(to handle: Handle, keepAlive: Bool) {
        connections[handle]?.output = response.copy()
        connections[handle]?.isLast = !keepAlive
        connections[handle]?.deadline = now.advanced(byNanoseconds: Self.idleNanoseconds)
    }
}
