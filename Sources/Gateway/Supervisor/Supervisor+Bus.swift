internal import Reactor

/// A worker's place on the bus, as its parent has it.
struct BusEnd {
    let descriptor: Int32
    let identity: BusIdentity

    /// What tells the worker who it is.
    var arguments: [String] {
        ["--node", String(identity.node), "--epoch", String(identity.epoch)]
    }
}

/// What the parent counts of the frames that it hands on.
struct RelayFigures {
    /// To each worker.
    var framesRelayed: UInt64 = 0
    /// Of these, those that a worker didn't take at once.
    var framesDropped: UInt64 = 0
    /// Frames that were longer than any.
    var framesOversized: UInt64 = 0
}

// The bus of one host: each worker has a socket to the parent, which hands what comes to the others.
//
// It doesn't look into frames, and keeps none: what a worker doesn't take at once is dropped for it, and
// the worker asks for what it has missed.
extension Supervisor {
    /// Frames of one worker that are handed on before the others have their turn.
    private static let framesPerTurn = 64

    /// Returns the worker's end; `nil` without a bus.
    mutating func openBus(of index: Int) throws(Errno) -> OwnedDescriptor? {
        guard configuration.bus == .auto else { return nil }
        let pair = try PacketSocketPair()
        let identity = BusIdentity(host: host, worker: index + 1, epoch: Random.word())
        let handle = Handle(kind: Kind.bus.rawValue, index: UInt32(index), generation: 0)
        try poller.add(pair.kept.raw, handle: handle, interest: .read)
        workers[index].bus = BusEnd(descriptor: pair.kept.relinquish(), identity: identity)
        return pair.given
    }

    /// The worker's process is over, or its socket is: the others hear that its clients are gone.
    mutating func closeBus(of index: Int) {
        guard let end = workers[index].bus else { return }
        ClientSocket.close(end.descriptor)
        workers[index].bus = nil
        var goodbye = ByteBuffer()
        BusFrame(sender: end.identity, number: 0, .goodbye(GoodbyeFrame())).write(into: &goodbye)
        relay(goodbye.bytes, from: index)
    }

    mutating func relayFrames(of index: Int) {
        guard let end = workers[index].bus else { return }
        for _ in 0..<Self.framesPerTurn {
            area.begin()
            switch area.receive(from: end.descriptor) {
            case .bytes(let count) where count > Limits.busFrameBytesMax:
                relay.framesOversized &+= 1
            case .bytes:
                let frame = area.copy()
                relay(frame.span, from: index)
            case .wouldBlock:
                return
            case .endOfStream, .failed:
                closeBus(of: index)
                return
            }
        }
    }

    private mutating func relay(_ frame: borrowing Span<UInt8>, from sender: Int) {
        for index in workers.indices where index != sender {
            guard let end = workers[index].bus else { continue }
            switch ClientSocket.send(frame, to: end.descriptor) {
            case .sent: relay.framesRelayed &+= 1
            case .wouldBlock: relay.framesDropped &+= 1
            // It has ended, of which epoll tells.
            case .failed: break
            }
        }
    }
}
