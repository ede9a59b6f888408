internal import Reactor

// The core's questions about membership, on their way to the database and back.
extension Server {
    /// Acts on answers before the turn's notifications are taken: a removal that is among those was
    /// committed after the answer was found, and must come after it here too.
    mutating func takeMembershipAnswers() {
        core.takeMembershipAnswers()
        resumeClients()
        core.continueClosings()
    }

    /// Sends the questions of this turn, in one query.
    mutating func askMemberships() {
        core.continueVerifications()
        while core.isMembershipBatchDue,
            database.queries.pendingCount(of: .members) < DatabaseQuery.members.pendingMax
        {
            let number = core.beginMembershipBatch(into: &membershipParameters)
            let outcome = database.queries.ask(
                .members, membershipParameters, tag: UInt64(number), core.now)
            guard outcome == .asked else {
                core.failMembershipBatch(number)
                break
            }
        }
        if !core.canAsk { core.failMembershipQuestions() }
        apply(
            database.queries.registration, instead: database.queriesRegistration,
            kind: .querySession)
        database.queriesRegistration = database.queries.registration
    }

    mutating func takeMembers(_ answer: consuming QueryAnswer) {
        let number = Int(answer.tag)
        switch answer.outcome {
        case .rows(let rows):
            for row in 0..<rows.count {
                guard let position = rows.integer(row: row, column: 0),
                    core.noteMember(position, inMembershipBatch: number)
                else {
                    let error = PostgresError(message: "rows of another shape")
                    core.log.refused("membership query", error, at: core.now)
                    core.failMembershipBatch(number)
                    return
                }
            }
            core.finishMembershipBatch(number)
        case .succeeded:
            core.failMembershipBatch(number)
        case .failed(let failure):
            if case .refused(let error) = failure {
                core.log.refused("membership query", error, at: core.now)
            }
            core.failMembershipBatch(number)
        }
    }
}
