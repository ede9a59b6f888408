internal import Gateway
internal import Reactor

// What each action means where there are several gateways: a client is at one of them, the database is
// the same for all, and the rest happens at each, unless it is said at which.
extension Cluster {
    mutating func act(_ action: Action) throws(Violation) {
        switch action {
        case .connect(let seat, _), .say(let seat, _, frames: _), .arrive(let seat, bytes: _),
            .read(let seat, bytes: _), .end(let seat), .reset(let seat), .vanish(let seat):
            let node = nodes[seat % nodes.count]
            if node.isThere { try node.world.act(action) }
        case .commit, .burst, .malformed, .forge, .loseChange, .silence, .removeUnheard, .canary,
            .prune:
            // Also where no process is: the next one finds it there.
            for node in nodes { try node.world.act(action) }
        case .at(let number, let action):
            let node = nodes[number % nodes.count]
            if node.isThere { try actAtNode(action, node) }
        case .turn(let milliseconds): try turn(milliseconds: UInt64(milliseconds))
        case .pass(let seconds):
            for _ in 0..<seconds * 2 { try turn(milliseconds: World.awakeMillisecondsMax) }
        case .cut(let one, let other): bus.cut(one % nodes.count, other % nodes.count, true)
        case .heal(let one, let other): bus.cut(one % nodes.count, other % nodes.count, false)
        case .carry(let weather): bus.weather = weather
        case .carrier(let number, let isLive):
            let node = nodes[number % nodes.count]
            guard node.isThere, bus.isLive[node.number] != isLive else { return }
            bus.isLive[node.number] = isLive
            try node.world.act(action)
            oracle.noteCarrier(of: node, isLive: isLive)
        case .stop(let number, let saysGoodbye):
            end(number % nodes.count, saysGoodbye: saysGoodbye)
        case .begin(let number): begin(number % nodes.count)
        case .freeze(let number):
            let node = nodes[number % nodes.count]
            if node.isThere { node.isFrozen = true }
        case .thaw(let number): thaw(nodes[number % nodes.count])
        default:
            for node in nodes where node.isThere { try actAtNode(action, node) }
        }
    }

    /// Nothing else happens at one gateway alone.
    private mutating func actAtNode(_ action: Action, _ node: Node) throws(Violation) {
        switch action {
        case .holdNotifications, .loseListener, .regainListener, .holdAnswers, .look, .answer,
            .refuse, .loseQueries, .regainQueries, .drain:
            try node.world.act(action)
        default: break
        }
    }

    mutating func thaw(_ node: Node) {
        guard node.isThere, node.isFrozen else { return }
        node.isFrozen = false
        node.world.beginTurn()
    }
}
