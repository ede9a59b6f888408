internal import Reactor

/// The reads of the event log that are wanted or under way: at most two for a project, one that was
/// asked and one that waits.
///
/// **No gap.** A client that resumes isn't subscribed before its read is answered. Everything that
/// was heard before the read was asked had been committed before, so the read's snapshot has it;
/// everything that is heard from then on is kept beside the read; and from the answer on the client
/// is a member. So it gets the answer, then what was kept, then what comes. Both the answer and what
/// was kept may hold an event: once too often, never not at all.
///
/// Whoever comes while the read is under way may share its answer, because what is kept begins with
/// the asking; unless its own cursor is lower: then it waits for the next read.
///
/// When the listener is lost, what is heard has a gap: reads under way are asked again when it is
/// back.
struct ReadTable {
    /// Reads by project, the one that was asked first.
    private var asked: [ProjectID: ProjectRead] = [:]
    private var wanted: [ProjectID: ProjectRead] = [:]
    /// The order in which wanted reads are asked. May hold projects that are no longer wanted.
    private var order: [ProjectID] = []
    private var orderStart = 0
    /// The projects of the statements under way, in their order.
    private var statements: [UInt64: [ProjectID]] = [:]
    private var lastStatement: UInt64 = 0

    /// Clients that wait.
    private(set) var waiterCount = 0
    /// Projects whose audience waits.
    private(set) var audienceCount = 0

    /// Hot path. Whether nothing is wanted or under way.
    var isEmpty: Bool { asked.isEmpty && wanted.isEmpty }
    var hasWanted: Bool { !wanted.isEmpty }

    /// Whether events of the project must be taken in although it may have no subscriber.
    func concerns(_ project: ProjectID) -> Bool {
        asked[project] != nil || wanted[project] != nil
    }

    // MARK: Wanting

    /// False when there are as many waiters as there may be.
    mutating func add(_ waiter: ReadWaiter, for project: ProjectID) -> Bool {
        guard waiterCount < Limits.resumesWaitingMax else { return false }
        waiterCount += 1
        if let under = asked[project], under.since <= waiter.from, !under.isOverflown {
            asked[project]?.waiters.append(waiter)
            return true
        }
        want(project, since: waiter.from)
        wanted[project]?.waiters.append(waiter)
        return true
    }

    /// Wants a read for those who are subscribed already.
    mutating func addAudience(of project: ProjectID, since: Cursor) {
        want(project, since: since)
        guard wanted[project]?.isForAudience == false else { return }
        wanted[project]?.isForAudience = true
        audienceCount += 1
    }

    private mutating func want(_ project: ProjectID, since: Cursor) {
        guard let present = wanted[project] else {
            wanted[project] = ProjectRead(project: project, since: since)
            order.append(project)
            return
        }
        if since < present.since { wanted[project]?.since = since }
    }

    // MARK: Asking

    /// The reads for the next statement, at most `EventsQuery.projectsMax`, and its number. A
    /// project whose last read is under way has to wait for that one's end.
    mutating func ask() -> AskedReads? {
        var reads: [ProjectID] = []
        var postponed: [ProjectID] = []
        lastStatement += 1
        while orderStart < order.count, reads.count < EventsQuery.projectsMax {
            let project = order[orderStart]
            orderStart += 1
            guard wanted[project] != nil else { continue }
            guard asked[project] == nil, var read = wanted.removeValue(forKey: project) else {
                postponed.append(project)
                continue
            }
            read.statement = lastStatement
            asked[project] = read
            reads.append(project)
        }
        order.removeFirst(orderStart)
        orderStart = 0
        order.append(contentsOf: postponed)
        guard !reads.isEmpty else { return nil }
        statements[lastStatement] = reads
        return AskedReads(statement: lastStatement, projects: reads)
    }

    /// The cursor of a read that was asked.
    func since(of project: ProjectID) -> Cursor? { asked[project]?.since }

    // Hot path while a read is under way.
    /// Keeps an event of the project for those who wait for its read.
    mutating func keep(_ frame: borrowing ByteBuffer, of project: ProjectID) {
        asked[project]?.keep(frame)
    }

    // MARK: Answers

    /// The projects of a statement that is answered or failed; `nil` when they were asked anew
    /// meanwhile.
    mutating func takeStatement(_ number: UInt64) -> [ProjectID]? {
        statements.removeValue(forKey: number)
    }

    /// How many projects a statement asks about.
    func projectCount(of statement: UInt64) -> Int? { statements[statement]?.count }

    /// Takes a read out of the table: it is answered.
    mutating func finish(_ project: ProjectID) -> ProjectRead? {
        guard let read = asked.removeValue(forKey: project) else { return nil }
        waiterCount -= read.waiters.count
        if read.isForAudience { audienceCount -= 1 }
        return read
    }

    /// Empties the table, and returns what was in it.
    mutating func takeAll() -> [ProjectRead] {
        let all = Array(asked.values) + Array(wanted.values)
        let last = lastStatement
        self = ReadTable()
        lastStatement = last  // Late answers are still known as such.
        return all
    }

    /// Wants a read again that was asked.
    mutating func askAgain(_ project: ProjectID) {
        guard var read = asked.removeValue(forKey: project) else { return }
        read.unask()
        guard let later = wanted[project] else {
            wanted[project] = read
            order.append(project)
            return
        }
        if later.isForAudience, read.isForAudience { audienceCount -= 1 }
        read.since = min(read.since, later.since)
        read.waiters += later.waiters
        read.isForAudience = read.isForAudience || later.isForAudience
        wanted[project] = read
    }

    /// Wants everything again that was asked: there was a gap in what is heard.
    mutating func askAllAgain() {
        statements.removeAll()
        for project in Array(asked.keys) { askAgain(project) }
    }

    // MARK: Doubts

    func waiters(in project: ProjectID) -> [ReadWaiter] {
        (asked[project]?.waiters ?? []) + (wanted[project]?.waiters ?? [])
    }

    /// Marks those whose membership is in doubt.
    mutating func doubt(where isMeant: (ReadWaiter, ProjectID) -> Bool) {
        guard waiterCount > 0 else { return }
        Self.doubt(of: &asked, where: isMeant)
        Self.doubt(of: &wanted, where: isMeant)
    }

    private static func doubt(
        of reads: inout [ProjectID: ProjectRead], where isMeant: (ReadWaiter, ProjectID) -> Bool
    ) {
        for project in Array(reads.keys) {
            guard let waiters = reads[project]?.waiters else { continue }
            for position in waiters.indices where isMeant(waiters[position], project) {
                reads[project]?.waiters[position].isDoubtful = true
            }
        }
    }

    // MARK: Giving up

    /// Takes out the waiters that `isOver` says are over, and returns them with their projects.
    mutating func removeWaiters(
        where isOver: (ReadWaiter, ProjectID) -> Bool
    ) -> [RemovedWaiter] {
        var removed: [RemovedWaiter] = []
        Self.removeWaiters(of: &asked, into: &removed, where: isOver)
        Self.removeWaiters(of: &wanted, into: &removed, where: isOver)
        waiterCount -= removed.count
        for (project, read) in wanted where read.waiters.isEmpty && !read.isForAudience {
            wanted[project] = nil
        }
        return removed
    }

    private static func removeWaiters(
        of reads: inout [ProjectID: ProjectRead], into removed: inout [RemovedWaiter],
        where isOver: (ReadWaiter, ProjectID) -> Bool
    ) {
        for project in Array(reads.keys) {
            guard let read = reads[project], read.waiters.contains(where: { isOver($0, project) })
            else { continue }
            removed += read.waiters.filter { isOver($0, project) }
                .map { RemovedWaiter(waiter: $0, project: project) }
            reads[project]?.waiters.removeAll { isOver($0, project) }
        }
    }

    /// The audiences get a resync instead: what was to be read for them is no longer wanted.
    mutating func dropAudiences() {
        for project in Array(asked.keys) { asked[project]?.isForAudience = false }
        for (project, read) in wanted {
            wanted[project]?.isForAudience = false
            if read.waiters.isEmpty { wanted[project] = nil }
        }
        audienceCount = 0
    }
}

/// What one statement asks.
struct AskedReads {
    let statement: UInt64
    let projects: [ProjectID]
}

/// A waiter that isn't waiting any more.
struct RemovedWaiter {
    let waiter: ReadWaiter
    let project: ProjectID
}
