internal import Reactor

/// An operator's connection to the parent: a probe, a scraper, or a person with curl.
struct AdminConnection {
    let descriptor: Int32
    /// When it is over, or when a question is answered with what is there.
    var deadline: Instant
    /// Bytes that no request was made of yet.
    var input: [UInt8] = []
    var parser = RequestHeadParser()
    /// The answer that is going out, and how much of it has.
    var output: [UInt8] = []
    var sent = 0
    /// What is being asked of the workers for it.
    var inquiry: Inquiry?
    /// Nothing comes after the output.
    var isLast = false
    /// All was said, and the peer's end is waited for: closing a socket with unread bytes would take
    /// the answer back.
    var isEnding = false
    /// What epoll watches it for.
    var interest: Interest = .read

    init(descriptor: Int32, deadline: Instant) {
        self.descriptor = descriptor
        self.deadline = deadline
    }

    /// Bytes are received only when they can be dealt with.
    var wanted: Interest {
        if sent < output.count { return .write }
        return inquiry == nil ? .read : []
    }
}

extension HandleTable<AdminConnection> {
    /// Who makes room for a newcomer: the one that has been silent for longest, so that whoever leaves
    /// connections open locks nobody out. Who waits for workers does so for less than a second, and only
    /// gives way when all do.
    var nextToGiveWay: Handle? {
        handles.min { first, second in
            guard let first = self[first], let second = self[second] else { return false }
            if (first.inquiry == nil) != (second.inquiry == nil) { return first.inquiry == nil }
            return first.deadline < second.deadline
        }
    }
}

/// A request that the workers have to be asked for.
struct Inquiry {
    let question: Question
    let isVerbose: Bool
    let form: ResponseForm
    /// By worker.
    var replies: [WorkerReply]
    /// Questions under way.
    var pending = 0
}
