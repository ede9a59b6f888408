package import Reactor

/// The questions about membership that wait to be asked or answered, and who asked them.
///
/// ```
/// ask ─► waiting ─► beginBatch ─► sent ─► noteMember…, finishBatch ─► dequeueAnswer, for each asker
///           ▲                      │
///           └────── outdated ──────┘
/// ```
///
/// A value: it knows neither clients nor the database. Equal questions are one question. All that
/// wait go out together, so that a crowd costs a few queries.
///
/// **A revocation wins against a check in flight.** PostgreSQL announces a removal after it is
/// committed. So a question that was sent before the announcement came may have been answered from
/// before the removal, and is asked again (`outdate`); one that is sent after it can't.
package struct MembershipChecks: ~Copyable {
    /// So that it is never copied to be looked at.
    private let place = AddressOnly()
    /// By slot. A slot that isn't used stands in `freeQuestions`.
    var questions: [MembershipQuestion] = []
    private var freeQuestions: [UInt32] = []
    private(set) var slots: [MembershipPair: UInt32] = [:]
    var askers = [MembershipAsker(purpose: .verifyUser, client: Handle(raw: 0))]
    private var freeAsker: UInt32 = 0

    private var waiting = IndexList()
    var answered = IndexList()
    /// Of `answered`, those that are done.
    var answeredDone = 0
    private(set) var batches: [MembershipBatch]
    private var nextBatchAt = Instant(nanoseconds: 0)
    /// Where a query's arrays are put together.
    private var scratch = ByteBuffer(capacity: 1_024)

    /// Clients, and pairs under verification, that wait.
    package private(set) var clientCount = 0
    package private(set) var verificationCount = 0

    package init() {
        batches = Array(
            repeating: MembershipBatch(), count: DatabaseQuery.members.pendingMax)
    }

    // MARK: Asking

    /// What became of a wish to ask.
    package enum Admission: BitwiseCopyable {
        case asked
        /// The same is being asked already.
        case shared
        /// Too many wait.
        case full
    }

    /// Whether questions wait to be sent.
    var isWaiting: Bool { !waiting.isEmpty }

    /// Whether there is room for so many questions about which nothing was announced: half of it is kept
    /// for those of which something was.
    package func canRecheck(_ count: Int) -> Bool {
        verificationCount + count <= Limits.verificationsMax / 2
    }

    /// Whether there is room for a question that no client has asked.
    package var canVerify: Bool { verificationCount < Limits.verificationsMax }

    package mutating func ask(
        _ pair: MembershipPair, _ purpose: MembershipPurpose, for client: Handle = Handle(raw: 0)
    ) -> Admission {
        if purpose.isClients {
            guard clientCount < Limits.membershipChecksMax else { return .full }
            clientCount += 1
        } else {
            guard canVerify else { return .full }
            verificationCount += 1
        }
        var asker = MembershipAsker(purpose: purpose, client: client)
        if let slot = slots[pair] {
            if case .waiting = questions[Int(slot)].state {} else { asker.isLate = true }
            append(makeAsker(asker), to: slot)
            return .shared
        }
        let slot = makeQuestion(pair)
        append(makeAsker(asker), to: slot)
        waiting.append(slot)
        return .asked
    }

    // MARK: Batches

    /// When the next batch is due; `nil` when there is nothing to send, or nothing can be sent
    /// before an answer has come.
    package var batchDue: Instant? {
        guard !waiting.isEmpty, batches.contains(where: { !$0.isSent }) else { return nil }
        return waiting.count >= Limits.membershipBatchMax ? Instant(nanoseconds: 0) : nextBatchAt
    }

    /// Takes the questions that wait, up to a batch's bound, and writes them as the parameters of
    /// `MembersQuery`. Only when one is due. Returns the batch's number.
    package mutating func beginBatch(
        into parameters: inout QueryParameters, _ now: Instant
    ) -> Int {
        guard let number = batches.firstIndex(where: { !$0.isSent }) else {
            preconditionFailure("a batch without a place for it")
        }
        let count = min(waiting.count, Limits.membershipBatchMax)
        for position in 0..<count {
            let slot = waiting[position]
            questions[Int(slot)].state = .sent
            questions[Int(slot)].isOutdated = false
            questions[Int(slot)].isNamed = false
            questions[Int(slot)].attempts += 1  // At most `membershipAttemptsMax`.
            batches[number].slots.append(slot)
        }
        waiting.removeFirst(count)
        batches[number].isSent = true
        nextBatchAt = now.advanced(byNanoseconds: Limits.membershipBatchIntervalNanoseconds)
        parameters.removeAll()
        scratch.removeAll()
        scratch.beginUUIDArray(count: count)
        for slot in batches[number].slots {
            scratch.append(uuidElement: questions[Int(slot)].pair.project)
        }
        parameters.append(binary: scratch)
        scratch.removeAll()
        scratch.beginUUIDArray(count: count)
        for slot in batches[number].slots {
            scratch.append(uuidElement: questions[Int(slot)].pair.user)
        }
        parameters.append(binary: scratch)
        return number
    }

    /// The answer to the batch names a position, from 1 on. False when there is no such.
    package mutating func noteMember(_ position: Int64, inBatch number: Int) -> Bool {
        guard position >= 1, position <= Int64(batches[number].slots.count) else { return false }
        questions[Int(batches[number].slots[Int(position) - 1])].isNamed = true
        return true
    }

    /// The batch's answer is complete.
    package mutating func finishBatch(_ number: Int) {
        conclude(number, isAnswered: true)
    }

    /// The batch will not be answered, or not in a way that can be understood.
    package mutating func failBatch(_ number: Int) {
        conclude(number, isAnswered: false)
    }

    /// The connection was lost before the batch was answered. The questions wait for the next one, but
    /// once: a question may be what the database doesn't answer.
    package mutating func loseBatch(_ number: Int) {
        for slot in batches[number].slots {
            if questions[Int(slot)].attempts < Limits.membershipLossesMax {
                askAgain(slot)
            } else {
                finish(slot, .unknown)
            }
        }
        batches[number].slots.removeAll(keepingCapacity: true)
        batches[number].isSent = false
    }

    private mutating func conclude(_ number: Int, isAnswered: Bool) {
        for slot in batches[number].slots {
            let question = questions[Int(slot)]
            if isAnswered, question.isOutdated,
                question.attempts < Limits.membershipAttemptsMax
            {
                askAgain(slot)
            } else if !isAnswered || question.isOutdated {
                finish(slot, .unknown)
            } else {
                finish(slot, question.isNamed ? .member : .notMember)
            }
        }
        batches[number].slots.removeAll(keepingCapacity: true)
        batches[number].isSent = false
    }

    /// Nothing can be asked now: whoever waits for an answer is notified of that.
    package mutating func failWaiting() {
        for position in 0..<waiting.count { finish(waiting[position], .unknown) }
        waiting.removeAll()
    }

    private mutating func finish(_ slot: UInt32, _ verdict: MembershipVerdict) {
        questions[Int(slot)].state = .answered(verdict)
        answered.append(slot)
    }

    /// Everyone who waits for the question waits for its next answer.
    mutating func askAgain(_ slot: UInt32) {
        questions[Int(slot)].state = .waiting
        var asker = questions[Int(slot)].firstAsker
        while asker != 0 {
            askers[Int(asker)].isLate = false
            asker = askers[Int(asker)].next
        }
        waiting.append(slot)
    }

    // MARK: Slots

    private mutating func makeQuestion(_ pair: MembershipPair) -> UInt32 {
        let slot: UInt32
        if let free = freeQuestions.popLast() {
            slot = free
            questions[Int(slot)] = MembershipQuestion(pair)
        } else {
            slot = UInt32(questions.count)
            questions.append(MembershipQuestion(pair))
        }
        slots[pair] = slot
        return slot
    }

    mutating func free(_ slot: UInt32) {
        slots[questions[Int(slot)].pair] = nil
        freeQuestions.append(slot)
    }

    private mutating func makeAsker(_ asker: MembershipAsker) -> UInt32 {
        guard freeAsker != 0 else {
            askers.append(asker)
            return UInt32(askers.count - 1)
        }
        let index = freeAsker
        freeAsker = askers[Int(index)].next
        askers[Int(index)] = asker
        return index
    }

    mutating func append(_ asker: UInt32, to slot: UInt32) {
        askers[Int(asker)].next = 0
        let last = questions[Int(slot)].lastAsker
        if last == 0 {
            questions[Int(slot)].firstAsker = asker
        } else {
            askers[Int(last)].next = asker
        }
        questions[Int(slot)].lastAsker = asker
    }

    mutating func forget(_ index: UInt32) {
        if askers[Int(index)].purpose.isClients { clientCount -= 1 } else { verificationCount -= 1 }
        askers[Int(index)].next = freeAsker
        freeAsker = index
    }
}

/// Questions that went out in one query, in the order of its arrays.
struct MembershipBatch {
    var isSent = false
    var slots: [UInt32] = []
}

/// One asker's answer.
package struct MembershipAnswer: BitwiseCopyable {
    package let pair: MembershipPair
    package let purpose: MembershipPurpose
    package let client: Handle
    package let verdict: MembershipVerdict
}
