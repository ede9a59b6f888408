internal import Reactor

/// A question to a worker, on a connection of its own.
struct Ask {
    let descriptor: Int32
    let worker: Int
    let question: Question
    /// The operator's connection that waits for it; `nil` for the first question to a new worker.
    let inquirer: Handle?
    /// What has come so far.
    var received: [UInt8] = []
}

extension Supervisor {
    /// Asks a worker. Without an answer to wait for it ended just now, or there is no descriptor for
    /// the question.
    mutating func ask(_ worker: Int, _ question: Question, for inquirer: Handle?) -> WorkerReply {
        guard let address = workers[worker].address, !asks.isFull else { return .ended }
        do throws(Errno) {
            let descriptor = try LocalSocket.connect(to: address)
            let handle = asks.insert(
                Ask(
                    descriptor: descriptor, worker: worker, question: question,
                    inquirer: inquirer))
            let request = question.request
            // A new socket's buffer takes so few bytes at once. A literal's live for ever.
            let bytes = unsafe Span(
                _unsafeStart: request.utf8Start, count: request.utf8CodeUnitCount)
            guard ClientSocket.send(bytes, to: descriptor) == .sent(bytes.count) else {
                close(handle)
                return .ended
            }
            do throws(Errno) {
                try poller.add(descriptor, handle: handle, interest: .read)
            } catch {
                close(handle)
                throw error
            }
            return .awaited
        } catch {
            // So many questions wait to be accepted that it must hang: it has its time to answer, as
            // with a question that reached it. A log line for each probe would say no more.
            return error == .connectionQueueFull ? .awaited : .ended
        }
    }

    /// More of an answer has come, or its end.
    mutating func receiveAnswer(_ handle: Handle) {
        guard let descriptor = asks[handle]?.descriptor else { return }
        area.begin()
        switch area.receive(from: descriptor) {
        case .bytes:
            asks[handle]?.received += area.copy()
            if let ask = asks[handle], ask.received.count > WorkerAnswer.bytesMax {
                finish(handle, with: .ended)
            }
        case .wouldBlock:
            break
        case .endOfStream:
            let answer = asks[handle].flatMap { WorkerAnswer($0.received) }
            finish(handle, with: answer.map { .answered($0) } ?? .ended)
        case .failed:
            finish(handle, with: .ended)
        }
    }

    private mutating func finish(_ handle: Handle, with reply: WorkerReply) {
        guard let ask = asks[handle] else { return }
        close(handle)
        if case .answered(let answer) = reply {
            workerAnswered(ask.worker)
            if ask.question == .metrics {
                workers[ask.worker].metrics = MetricsSnapshot(answer.body)
            }
        }
        if let inquirer = ask.inquirer { receive(reply, of: ask.worker, for: inquirer) }
    }

    /// The worker has ended: what it hasn't answered it never will.
    mutating func closeAsks(of worker: Int) {
        for handle in asks.handles where asks[handle]?.worker == worker {
            finish(handle, with: .ended)
        }
        // Those whose questions didn't reach it.
        for handle in connections.handles { receive(.ended, of: worker, for: handle) }
    }

    /// The operator isn't waiting any more.
    mutating func closeAsks(for inquirer: Handle) {
        for handle in asks.handles where asks[handle]?.inquirer == inquirer { close(handle) }
    }

    private mutating func close(_ handle: Handle) {
        guard let ask = asks[handle] else { return }
        ClientSocket.close(ask.descriptor)
        asks[handle] = nil
    }
}
