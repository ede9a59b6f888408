internal import Reactor

/// The socket to the parent, which carries frames to the other workers.
struct BusSocket: ~Copyable {
    let owned: OwnedDescriptor
    /// Whether it took less than there was, and epoll says when it takes more.
    var isBlocked = false

    init(_ owned: consuming OwnedDescriptor) { self.owned = owned }

    var descriptor: Int32 { owned.raw }
}

// What other processes say, and what they are told.
extension Server {
    /// Reads frames, within the turn's budget; epoll tells of the rest again.
    mutating func busReady() {
        guard let descriptor = busSocket?.descriptor else { return }
        var scannedCount = 0
        for _ in 0..<Limits.busFramesPerTurn {
            guard scannedCount < Limits.membersScannedPerTurn else { return }
            area.begin()
            switch area.receive(from: descriptor) {
            case .bytes:
                scannedCount += Self.receiveBusFrame(in: &area, core: &core)
            case .wouldBlock:
                return
            case .endOfStream, .failed:
                // The parent is gone, and this process soon will be.
                closeBus()
                return
            }
        }
    }

    /// The bytes are a span of the area, so the area and the core are passed apart.
    private static func receiveBusFrame(
        in area: inout ReceiveArea, core: inout Core
    ) -> Int {
        let bytes = area.bytes
        return core.receiveBusFrame(bytes.span)
    }

    private mutating func closeBus() {
        busSocket = nil
        core.dropBusFrames()
    }

    /// Sends the frames that wait: to the other workers as far as the socket takes them, and each of those
    /// to other hosts.
    mutating func sendBusFrames() {
        if core.hasBusFrames {
            if Self.sendBusFrames(of: &core, to: busSocket?.descriptor, &remoteBus) {
                watchBus()
            } else {
                closeBus()
            }
        }
        flushCarrier()
    }

    /// The core and the carrier are passed apart, since one hands bytes to the other. Returns `false` when
    /// the socket is over.
    private static func sendBusFrames(
        of core: inout Core, to descriptor: Int32?, _ remote: inout RemoteBus?
    ) -> Bool {
        var isOver = false
        let now = core.clock.now
        while core.sendBusFrame(by: { bytes in
            if let descriptor {
                switch ClientSocket.send(bytes, to: descriptor) {
                case .sent: break
                case .wouldBlock: return false
                case .failed:
                    isOver = true
                    return false
                }
            }
            remote?.publish(bytes, now)
            return true
        }) {}
        return !isOver
    }

    private mutating func watchBus() {
        guard let descriptor = busSocket?.descriptor else { return }
        let isBlocked = core.hasBusFrames
        guard isBlocked != busSocket?.isBlocked else { return }
        busSocket?.isBlocked = isBlocked
        let handle = Handle(kind: HandleKind.bus.rawValue, index: 0, generation: 0)
        do throws(Errno) {
            try poller.modify(
                descriptor, handle: handle, interest: isBlocked ? [.read, .write] : .read)
        } catch {
            // EPOLL_CTL_MOD of a registered descriptor needs no memory: this is a bug.
            preconditionFailure("the bus can't be watched: \(error)")
        }
    }
}
