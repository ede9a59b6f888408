internal import Reactor

// Answers, and what outdates them.
extension MembershipChecks {
    // MARK: Revocations

    /// The pair's membership was removed: no answer from before counts.
    package mutating func outdate(_ pair: MembershipPair) {
        if let slot = slots[pair] { outdate(slot) }
    }

    /// The same for all pairs of a project.
    package mutating func outdate(allOf project: ProjectID) {
        outdate(where: { $0.project == project })
    }

    /// The same for all pairs.
    package mutating func outdateEverything() {
        outdate(where: { _ in true })
    }

    private mutating func outdate(where isMeant: (MembershipPair) -> Bool) {
        for number in batches.indices {
            for slot in batches[number].slots where isMeant(questions[Int(slot)].pair) {
                questions[Int(slot)].isOutdated = true
            }
        }
        for position in answeredDone..<answered.count {
            let slot = answered[position]
            if isMeant(questions[Int(slot)].pair) { questions[Int(slot)].isOutdated = true }
        }
    }

    private mutating func outdate(_ slot: UInt32) {
        if case .waiting = questions[Int(slot)].state { return }
        questions[Int(slot)].isOutdated = true
    }

    /// Whether an answer about the project is under way: then a removal of one of its members is of
    /// interest although nobody is subscribed.
    package func awaitsAnswer(about project: ProjectID) -> Bool {
        guard !slots.isEmpty else { return false }
        for number in batches.indices {
            for slot in batches[number].slots
            where questions[Int(slot)].pair.project == project { return true }
        }
        for position in answeredDone..<answered.count
        where questions[Int(answered[position])].pair.project == project { return true }
        return false
    }

    // MARK: Answers

    /// Whether an answer can be dequeued.
    package var hasAnswers: Bool { answeredDone < answered.count }

    /// The next asker whose answer is known.
    package mutating func dequeueAnswer() -> MembershipAnswer? {
        while answeredDone < answered.count {
            let slot = answered[answeredDone]
            guard case .answered(let verdict) = questions[Int(slot)].state else {
                preconditionFailure("an answered question without an answer")
            }
            // A removal was announced after the answer, and before all were notified.
            if questions[Int(slot)].isOutdated, verdict == .member {
                reconsider(slot)
                continue
            }
            let first = questions[Int(slot)].firstAsker
            if first == 0 {
                answeredDone += 1
                close(slot)
                continue
            }
            let asker = askers[Int(first)]
            questions[Int(slot)].firstAsker = asker.next
            if asker.next == 0 { questions[Int(slot)].lastAsker = 0 }
            if verdict == .notMember, asker.isLate {
                askers[Int(first)].next = questions[Int(slot)].firstLate
                questions[Int(slot)].firstLate = first
                continue
            }
            forget(first)
            return MembershipAnswer(
                pair: questions[Int(slot)].pair, purpose: asker.purpose, client: asker.client,
                verdict: verdict)
        }
        answered.removeAll()
        answeredDone = 0
        return nil
    }

    /// The answer that is being dequeued doesn't hold any more.
    private mutating func reconsider(_ slot: UInt32) {
        if questions[Int(slot)].attempts < Limits.membershipAttemptsMax {
            answeredDone += 1
            askAgain(slot)
        } else {
            questions[Int(slot)].state = .answered(.unknown)
        }
    }

    /// All were notified. Those who asked late, and accept no old no, ask anew.
    private mutating func close(_ slot: UInt32) {
        if questions[Int(slot)].firstLate != 0 {
            readdLate(slot)
            questions[Int(slot)].attempts = 0
            askAgain(slot)
            return
        }
        free(slot)
    }

    private mutating func readdLate(_ slot: UInt32) {
        var late = questions[Int(slot)].firstLate
        questions[Int(slot)].firstLate = 0
        while late != 0 {
            let next = askers[Int(late)].next
            append(late, to: slot)
            late = next
        }
    }
}
