internal import Reactor

// Places for connections: the public listener's and the admin listener's are apart, and who never became
// a WebSocket gives way to those who come.
extension Core {
    /// With whom a connection that comes now queues; `nil` when there is no place for it.
    func arrivalQueue(at listener: ListenerRole) -> ArrivalQueue? {
        switch listener {
        case .admin:
            return clients.operatorCount < settings.reservedPlaces ? .operators : nil
        case .public:
            guard clients.publicCount < settings.connectionsMax + settings.reservedPlaces
            else { return nil }
            return hasPublicPlace ? .visitors : .refusals
        }
    }

    /// Who is only here to be refused takes no place.
    private var hasPublicPlace: Bool {
        clients.publicCount - clients.arrivals.count(of: .refusals) < settings.connectionsMax
    }

    /// The connection that should make room for one that waits at the listener; `nil` when there is
    /// room, or when nobody has had enough of a chance yet. Its place is free in the next turn.
    package func connectionToGiveWay(at listener: ListenerRole) -> ClientIndex? {
        switch listener {
        case .admin:
            // Whoever came last has its say: those before it were answered, or were silent.
            guard clients.operatorCount >= settings.reservedPlaces else { return nil }
            return clients.arrivals.first(of: .operators)?.index
        case .public:
            let visitorCount = clients.arrivals.count(of: .visitors)
            if !hasPublicPlace || visitorCount >= settings.visitorsMax, let visitor = lateVisitor {
                return visitor
            }
            guard clients.publicCount >= settings.connectionsMax + settings.reservedPlaces
            else { return nil }
            return idleRefusal
        }
    }

    /// Closes the connection without a word, so that another has its place.
    package mutating func giveWay(_ index: ClientIndex) {
        metrics.connectionsDropped[.silent] += 1
        connectionLost(index)
    }

    private var lateVisitor: ClientIndex? {
        guard let (index, tick) = clients.arrivals.first(of: .visitors) else { return nil }
        let grace = UInt32(Limits.httpGraceNanoseconds / TimerWheel.tickNanoseconds)
        guard clock.tick >= tick + grace, !isServed(index) else { return nil }
        return index
    }

    /// It has had a turn at least, and whatever was said to it is with the kernel.
    private var idleRefusal: ClientIndex? {
        guard let (index, tick) = clients.arrivals.first(of: .refusals), tick < clock.tick,
            !isServed(index)
        else { return nil }
        return index
    }

    /// Whether the connection waits for us, not we for it.
    private func isServed(_ index: ClientIndex) -> Bool {
        clients[index].isPaused || !clients[index].queue.isEmpty
    }

    /// Whether the connection has a place; one that came when there was none may have one by now.
    mutating func findPlace(for index: ClientIndex) -> Bool {
        guard clients[index].allowance.marks.contains(.isOverPlaces) else { return true }
        guard hasPublicPlace else { return false }
        clients[index].allowance.marks.remove(.isOverPlaces)
        clients.arrivals.append(index, to: .visitors, at: clock.tick)
        return true
    }
}

extension CoreSettings {
    /// Connections on the public listener that are no WebSockets and have had their time for a request.
    var visitorsMax: Int {
        min(
            connectionsMax,
            max(Limits.httpConnectionsMin, connectionsMax / Limits.httpShareDivisor))
    }
}
