internal import Reactor

// The core's questions about membership, on their way to the database and back.
extension Server {
    /// Sends the questions of this turn, in one query.
    package mutating func askMemberships() {
        core.continueVerifications()
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
        apply(
            sessions.queries.registration, instead: sessions.queriesRegistration,
            kind: .querySession)
        sessions.queriesRegistration = sessions.queries.registration
    }

    mutating func handleMembers(_ answer: consuming QueryAnswer) {
        let number = Int(answer.tag)
        switch answer.outcome {
        case .rows(let rows):
            for row in 0..<rows.count {
                guard let position = rows.integer(row: row, column: 0),
                    core.noteMember(position, inMembershipBatch: number)
                else {
                    let error = PostgresError(message: "rows of another shape")
                    core.log.refused("membership query", error, at: core.clock.now)
                    core.failMembershipBatch(number)
                    return
                }
            }
            core.finishMembershipBatch(number)
        case .succeeded:
            core.failMembershipBatch(number)
        case .failed(let failure):
            if case .refused(let error) = failure {
                core.log.refused("membership query", error, at: core.clock.now)
            }
            core.failMembershipBatch(number)
        }
    }
}
