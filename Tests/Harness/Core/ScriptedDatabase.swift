package import Gateway
package import Reactor

/// The database as far as memberships go: it answers when a test says so, and from the rows that
/// were there when it looked.
package struct ScriptedDatabase {
    package struct Batch {
        package let number: Int
        package let pairs: [MembershipPair]
        /// The members of them, once it has looked.
        package var seen: [Bool]?
    }

    package var members: Set<MembershipPair> = []
    /// Queries that wait for their answers, oldest first.
    package var batches: [Batch] = []
    /// Whether each query is answered in the next turn.
    package var answersAtOnce = true
    /// All pairs that it was ever asked about, query by query.
    package private(set) var asked: [[MembershipPair]] = []

    package mutating func add(_ user: UInt64, to project: UInt64) {
        members.insert(Self.pair(user, project))
    }

    package mutating func remove(_ user: UInt64, from project: UInt64) {
        members.remove(Self.pair(user, project))
    }

    package static func pair(_ user: UInt64, _ project: UInt64) -> MembershipPair {
        MembershipPair(project: CoreHarness.project(project), user: CoreHarness.user(user))
    }

    package mutating func take(_ number: Int, _ parameters: borrowing QueryParameters) {
        let projects = parameters.uuids(0)
        let users = parameters.uuids(1)
        let pairs = zip(projects, users).map { MembershipPair(project: $0, user: $1) }
        asked.append(pairs)
        batches.append(Batch(number: number, pairs: pairs))
    }

    /// All queries under way are answered from the rows of now, whenever the answers arrive.
    package mutating func look() {
        for index in batches.indices where batches[index].seen == nil {
            batches[index].seen = batches[index].pairs.map { members.contains($0) }
        }
    }
}

extension CoreHarness {
    /// The oldest query's answer arrives.
    package mutating func answerOne() {
        database.look()
        let batch = database.batches.removeFirst()
        for (index, isMember) in (batch.seen ?? []).enumerated() where isMember {
            _ = core.noteMember(Int64(index + 1), inMembershipBatch: batch.number)
        }
        core.finishMembershipBatch(batch.number)
    }

    package mutating func answerAll() {
        while !database.batches.isEmpty { answerOne() }
    }

    /// The connection of the query session is lost.
    package mutating func loseDatabase() {
        for batch in database.batches { core.loseMembershipBatch(batch.number) }
        database.batches = []
        core.database.answersQueries = false
        core.failMembershipQuestions()
    }

    /// What the trigger sends when a member is removed; `*` stands for many.
    package mutating func notifyRemoval(of user: UInt64?, from project: UInt64) {
        let project = Self.project(project)
        let id = user.map { "\(project):\(Self.user($0))" } ?? "*"
        notify(resource: "project_members", id: id, action: "DELETE", project: project)
    }

    package mutating func notifyEnd(of project: UInt64) {
        let project = Self.project(project)
        notify(resource: "projects", id: "\(project)", action: "DELETE", project: project)
    }

    private mutating func notify(
        resource: String, id: String, action: String, project: ProjectID
    ) {
        let payload = Array(
            (#"{"resource":"\#(resource)","id":"\#(id)","action":"\#(action)","project_id":"#
                + #""\#(project)","timestamp":"2026-01-02T03:04:05.000006Z"}"#).utf8)
        core.notify(payload.span)
    }
}
