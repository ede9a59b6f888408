/// A process that takes part in the bus.
package struct BusIdentity: Equatable, BitwiseCopyable, Sendable {
    /// Its place, in which one process follows the other: of a worker the host's random number, but
    /// for the last byte, which is the worker's.
    package let node: UInt64
    /// The process in this place: random.
    package let epoch: UInt64

    package init(node: UInt64, epoch: UInt64) {
        self.node = node
        self.epoch = epoch
    }

    /// - Parameter worker: counted from 1 to 256.
    package init(host: UInt64, worker: Int, epoch: UInt64) {
        precondition((1...256).contains(worker))
        self.init(node: host & ~0xFF | UInt64(worker - 1), epoch: epoch)
    }

    /// The worker in this place; of meaning on its own host.
    package static func worker(of node: UInt64) -> Int { Int(node & 0xFF) + 1 }

    /// Whether both are workers of one host.
    package func isOfHost(of other: BusIdentity) -> Bool { node & ~0xFF == other.node & ~0xFF }

    /// For people, and in the name of its channel: sixteen digits.
    package static func name(of node: UInt64) -> String {
        let digits = String(node, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
