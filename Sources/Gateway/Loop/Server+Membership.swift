internal import Reactor

// The core's questions about membership, on their way to the database and back.
extension Server {
    /// Sends the questions of this turn, in one query.
    package mutating func askMemberships() {
        core.recheckMemberships()
        core.continueVerifications()
        if sharing.followersAskFirst {
            sharing.followersAskFirst = !askForFollowers(aboutMembers: true)
            askOwnMemberships()
        } else {
            askOwnMemberships()
            sharing.followersAskFirst = true
        }
        _ = askForFollowers(aboutMembers: true)
        apply(
            sessions.queries.registration, instead: sessions.queriesRegistration,
            kind: .querySession)
        sessions.queriesRegistration = sessions.queries.registration
    }

    private mutating func askOwnMemberships() {
        while core.isMembershipBatchDue,
            sessions.queries.pendingCount(of: .members) < DatabaseQuery.members.pendingMax
        {
            let number = core.beginMembershipBatch(into: &membershipParameters)
            let outcome = sessions.queries.ask(
                .members, membershipParameters, tag: UInt64(number), core.clock.now)
            guard outcome == .asked else {
                core.failMembershipBatch(number)
                break
            }
        }
        if !core.database.answersQueries { core.failMembershipQuestions() }
    }

    /// The tag of a question about nobody, which no batch has.
    private static var probeTag: UInt64 { .max }

    /// Finds out whether the question can be asked at all. Without room for it those that are under
    /// way find out.
    mutating func probeMembers() {
        membershipParameters.writeNoPairs()
        _ = sessions.queries.ask(
            .members, membershipParameters, tag: Self.probeTag, core.clock.now)
    }

    private mutating func handleProbe(_ outcome: consuming QueryOutcome) {
        switch consume outcome {
        case .rows: core.membersAre(fault: nil)
        case .succeeded: break
        case .failed(let failure):
            guard case .refused(let error) = failure else { return }
            core.membersAre(fault: MembersTable.fault(error))
        }
    }

    mutating func handleMembers(_ answer: consuming QueryAnswer) {
        guard answer.tag != Self.probeTag else {
            handleProbe(answer.outcome)
            return
        }
        let number = Int(answer.tag)
        switch answer.outcome {
        case .rows(let rows):
            guard noteMembers(rows, inBatch: number) else {
                let error = PostgresError(message: "rows of another shape")
                core.log.refused("membership query", error, at: core.clock.now)
                core.failMembershipBatch(number)
                return
            }
            core.finishMembershipBatch(number)
        case .succeeded:
            core.failMembershipBatch(number)
        case .failed(let failure):
            switch failure {
            case .lost: core.loseMembershipBatch(number)
            case .refused(let error):
                core.log.refused("membership query", error, at: core.clock.now)
                core.membersAre(fault: MembersTable.fault(error))
                core.failMembershipBatch(number)
            }
        }
    }

    /// False when the rows aren't what the statement returns.
    private mutating func noteMembers(
        _ rows: borrowing PostgresRows, inBatch number: Int
    ) -> Bool {
        guard rows.columnCount == 1 else { return false }
        for row in 0..<rows.count {
            guard let position = rows.integer(row: row, column: 0),
                core.noteMember(position, inMembershipBatch: number)
            else { return false }
        }
        return true
    }
}
