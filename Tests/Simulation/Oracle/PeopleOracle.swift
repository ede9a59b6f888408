internal import Gateway
internal import GatewayHarness
internal import Reactor

/// Who may be listed at each of several gateways, and who must be, at every moment.
///
/// It knows what clients have said and where, which frames have arrived at whom, and what was announced
/// to whom; of what is in frames it knows nothing. Times at a gateway are those in which it turned, since
/// nothing happens while it stands still.
struct PeopleOracle {
    struct Pair: Hashable {
        let user: Int
        let project: Int
    }

    private struct Process: Hashable {
        let node: Int
        let epoch: UInt64
    }

    /// What a gateway knows of a process that counts there as being there.
    private struct Known {
        var epoch: UInt64
        var heardAt: Instant
        /// For how many turns it has been silent for too long.
        var silentTurns = 0
    }

    /// What is kept of one gateway's present process.
    private struct Site {
        /// When each process was last heard here, and when each user may last have been present there, in
        /// nanoseconds of turning.
        var heard: [Process: UInt64] = [:]
        /// By user and project; none is zero.
        var claims: [Process: [UInt64]] = [:]
        /// When another process was first heard in its place.
        var succeededAt: [Process: UInt64] = [:]
        var known: [Int: Known] = [:]
        /// When a node was last silent for so long that its users may have left.
        var cutAt: [Int: UInt64] = [:]
        /// When an end of the membership was last heard of, and of any in the project.
        var endedAt: [Pair: (awake: UInt64, commit: Int)] = [:]
        /// When something was last on its way from the database that may keep lists from being told.
        var stirredAt: UInt64 = 0
        var lostCarrierTurns = 0
        /// Since when the user has certainly been present here.
        var certainSince: [Pair: Instant] = [:]
        /// Who was listed before: by connection and project.
        var listed: [Int: [Int: Set<Int>]] = [:]
    }

    private let facts: WorldFacts
    private let nobody: [UInt64]
    private var sites: [Site]
    private var isLive: [Bool]
    /// When the membership of somebody was last said to have ended, at whichever gateway.
    private var doubtedAt: [Int: Instant] = [:]
    /// When somebody was last invisible.
    private var hiddenAt: [Pair: Instant] = [:]

    init(_ facts: WorldFacts) {
        self.facts = facts
        nobody = Array(repeating: 0, count: facts.users * facts.projects)
        sites = Array(repeating: Site(), count: facts.nodes)
        isLive = Array(repeating: true, count: facts.nodes)
    }

    private static func seconds(_ count: UInt64) -> UInt64 { count * 1_000_000_000 }

    // MARK: What happens

    /// Who may be present, as far as clients have said so.
    mutating func noteClaims(_ nodes: [Cluster.Node]) {
        for node in nodes where node.isThere {
            let process = Process(node: node.number, epoch: node.epoch)
            for number in node.world.live {
                let peer = node.world.kernel.peers[number]
                for project in peer.claims {
                    for user in peer.mayBe {
                        if peer.hides.contains(project) {
                            hiddenAt[Pair(user: user, project: project)] = node.world.now
                        }
                        for viewer in nodes {
                            let awake = viewer.world.awakeNanoseconds + 1
                            sites[viewer.number].claims[process, default: nobody][
                                place(user, project)] = awake
                        }
                    }
                }
            }
        }
    }

    private func place(_ user: Int, _ project: Int) -> Int { project * facts.users + user }

    mutating func noteArrival(of frame: SimulatedBus.Frame, at node: Cluster.Node, _ now: Instant) {
        let process = Process(node: frame.sender, epoch: frame.epoch)
        for former in sites[node.number].heard.keys
        where former.node == frame.sender && former.epoch < frame.epoch
            && frame.kind == SimulatedBus.Frame.counts
            && sites[node.number].succeededAt[former] == nil
        {
            sites[node.number].succeededAt[former] = node.world.awakeNanoseconds
        }
        sites[node.number].heard[process] = node.world.awakeNanoseconds
        let known = sites[node.number].known[frame.sender]
        if frame.kind == SimulatedBus.Frame.goodbye {
            if known?.epoch == frame.epoch { sites[node.number].known[frame.sender] = nil }
        } else if known?.epoch == frame.epoch || frame.kind == SimulatedBus.Frame.counts {
            sites[node.number].known[frame.sender] = Known(epoch: frame.epoch, heardAt: now)
        }
    }

    mutating func noteBegin(_ node: Cluster.Node) {
        // Who was at another node a moment ago may still be told of: the new one's clock begins here.
        var site = Site()
        for (process, claims) in sites[node.number].claims where process.node != node.number {
            site.claims[process] = claims.map { min($0, 1) }
        }
        sites[node.number] = site
        isLive[node.number] = true
    }

    mutating func noteCarrier(of node: Cluster.Node, isLive: Bool) {
        self.isLive[node.number] = isLive
    }

    /// Processes that have been silent for more than 10 s, for a planted mistake.
    func silent(at node: Cluster.Node, _ now: Instant) -> [BusIdentity] {
        sites[node.number].known.filter {
            now.nanoseconds(since: $0.value.heardAt) > Limits.busFreezeNanoseconds
        }.map { Cluster.identity($0.key, $0.value.epoch) }.sorted { $0.node < $1.node }
    }

    // MARK: Judging

    /// Judges what the clients of one gateway were told in its turn.
    mutating func judge(
        _ node: Cluster.Node, among nodes: [Cluster.Node], _ now: Instant
    ) throws(Violation) {
        noteTurn(of: node, now)
        noteCertain(node, now)
        let mustBePartial = mustBePartial(node.number)
        var listed: [Int: [Int: Set<Int>]] = [:]
        for number in node.world.live {
            let peer = node.world.kernel.peers[number]
            guard peer.isPrompt else { continue }
            if mustBePartial, peer.hearing.partials.contains(false) {
                throw Violation(
                    .partial, "node \(node.number) says that it is whole, and doesn't hear others")
            }
            guard facts.presence == .on else { continue }
            for (project, wish) in peer.hearing.wishes where wish.mode == .users {
                guard let view = peer.hearing.present[project], !view.isTruncated else { continue }
                let users = Set(view.users.keys.compactMap { Names.number($0) })
                let before = sites[node.number].listed[number]?[project] ?? []
                listed[number, default: [:]][project] = users
                guard isQuiet(node) else { continue }
                for user in users.sorted() {
                    try checkMayBeListed(Pair(user: user, project: project), node)
                }
                for user in before.subtracting(users).sorted() {
                    try checkMayHaveLeft(Pair(user: user, project: project), node, nodes, now)
                }
            }
        }
        sites[node.number].listed = listed
    }

    private mutating func noteTurn(of node: Cluster.Node, _ now: Instant) {
        let awake = node.world.awakeNanoseconds
        for ending in node.world.endings {
            doubtedAt[ending.project] = now
            sites[node.number].stirredAt = awake
            if let user = ending.user {
                let pair = Pair(user: user, project: ending.project)
                sites[node.number].endedAt[pair] = (awake, ending.commit)
            }
        }
        node.world.endings = []
        if node.world.isStirred { sites[node.number].stirredAt = awake }
        if isLive[node.number] {
            sites[node.number].lostCarrierTurns = 0
        } else {
            sites[node.number].lostCarrierTurns += 1
        }
        for (other, known) in sites[node.number].known {
            let silence = now.nanoseconds(since: known.heardAt)
            if silence >= Limits.busRemovalNanoseconds {
                sites[node.number].known[other] = nil
                sites[node.number].cutAt[other] = awake
            } else if silence >= Limits.busFreezeNanoseconds {
                sites[node.number].known[other]?.silentTurns += 1
            }
        }
    }

    /// Lists may be told late while memberships are looked into.
    private func isQuiet(_ node: Cluster.Node) -> Bool {
        node.world.awakeNanoseconds > sites[node.number].stirredAt + Self.seconds(6)
    }

    private mutating func noteCertain(_ node: Cluster.Node, _ now: Instant) {
        var certain: [Pair: Instant] = [:]
        for number in node.world.live {
            let peer = node.world.kernel.peers[number]
            guard peer.isPrompt, let user = peer.hearing.user else { continue }
            for (project, wish) in peer.hearing.wishes where !wish.isInvisible {
                let ledger = node.world.database.ledger
                guard !facts.checksMembership || ledger.isMember(user, of: project) else {
                    continue
                }
                let pair = Pair(user: user, project: project)
                certain[pair] = sites[node.number].certainSince[pair] ?? now
            }
        }
        sites[node.number].certainSince = certain
    }

    /// More turns than a list may have waited for the others' writes.
    private static var turnsMax: Int { 16 }

    private func mustBePartial(_ node: Int) -> Bool {
        sites[node].lostCarrierTurns > Self.turnsMax
            || sites[node].known.values.contains { $0.silentTurns > Self.turnsMax }
    }

    // MARK: Who may be there

    /// Seconds for which somebody who doesn't say so any more is believed to be there: at the same node 15
    /// and the window of a drain; what other nodes have said 30, and one between looks. All with what it
    /// takes until it is told.
    private static var graceSeconds: UInt64 { 20 }
    private static var beliefSeconds: UInt64 { 36 }

    private func claimants(of pair: Pair, _ node: Cluster.Node) -> [Process] {
        let site = sites[node.number]
        let awake = node.world.awakeNanoseconds
        let own = Process(node: node.number, epoch: node.epoch)
        return site.claims.compactMap { process, claims in
            let claimedAt = claims[place(pair.user, pair.project)]
            guard claimedAt > 0 else { return nil }
            if process.node == node.number, process != own { return nil }
            if process == own {
                return awake <= claimedAt + Self.seconds(Self.graceSeconds) ? process : nil
            }
            guard let heardAt = site.heard[process] else { return nil }
            // Whoever was at a process that another one follows may come back to that.
            let believedUntil = max(
                heardAt + Self.seconds(Self.beliefSeconds),
                (site.succeededAt[process] ?? 0) + Self.seconds(Self.graceSeconds))
            guard awake <= believedUntil,
                awake <= claimedAt + Self.seconds(2 * Self.graceSeconds + Self.beliefSeconds)
            else { return nil }
            return process
        }
    }

    private func checkMayBeListed(_ pair: Pair, _ node: Cluster.Node) throws(Violation) {
        if claimants(of: pair, node).isEmpty {
            throw Violation(
                .ghost, "user \(pair.user) in project \(pair.project) at node \(node.number)")
        }
        // Other nodes may not have heard of it, and for 10 s nothing makes it forgotten here.
        let ledger = node.world.database.ledger
        guard facts.checksMembership, let ended = sites[node.number].endedAt[pair],
            ledger.isRemoved(pair.user, from: pair.project, since: ended.commit)
        else { return }
        let passed = node.world.awakeNanoseconds - ended.awake
        if passed > Self.seconds(6), passed < Self.seconds(9) {
            throw Violation(
                .ghost,
                "user \(pair.user), removed from project \(pair.project), at node \(node.number)")
        }
    }

    // MARK: Who must be there

    /// Nobody who is certainly present wherever it may be said that he is leaves a list.
    private func checkMayHaveLeft(
        _ pair: Pair, _ node: Cluster.Node, _ nodes: [Cluster.Node], _ now: Instant
    ) throws(Violation) {
        let site = sites[node.number]
        let awake = node.world.awakeNanoseconds
        let isDoubtful = doubtedAt[pair.project].map {
            now.nanoseconds(since: $0) < Self.seconds(60)
        }
        let isHidden = hiddenAt[pair].map { now.nanoseconds(since: $0) < Self.seconds(60) }
        guard isDoubtful != true, isHidden != true,
            !nodes.contains(where: { $0.world.database.ledger.awaitsEnding(of: pair.project) })
        else { return }
        for process in claimants(of: pair, node) {
            let there = nodes[process.node]
            guard there.isThere, there.epoch == process.epoch,
                let since = sites[process.node].certainSince[pair],
                now.nanoseconds(since: since) > Self.seconds(10),
                site.cutAt[process.node].map({ awake > $0 + Self.seconds(60) }) ?? true
            else { return }
        }
        throw Violation(
            .flicker, "user \(pair.user) left project \(pair.project) at node \(node.number)")
    }
}

extension World {
    /// Whether lists may wait for what the database says.
    fileprivate var isStirred: Bool {
        !database.queries.isEmpty || database.holdsAnswers || !database.answersQueries
            || !database.isListening || core.isCatchingUp || !database.reads.isEmpty
    }
}
