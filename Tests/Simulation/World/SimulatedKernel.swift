internal import Gateway
internal import GatewayHarness
internal import Reactor

/// The kernel: it has the connections, takes what the core sends as far as the peers let it, and
/// counts the bytes.
struct SimulatedKernel: ~Copyable {
    /// All connections that there ever were; the descriptor of each is its number.
    var peers: [Peer] = []
    var now = Instant(nanoseconds: 0)
    private(set) var takenBytes = 0

    var batch = MadeUpBatch()

    /// Bytes that have this in them vanish (`PlantedFault`).
    var lostText: String?
}

extension SimulatedKernel: MadeUpKernel {
    /// A small batch, so that a fan-out takes several.
    static var batchMax: Int { 4 }

    mutating func take(_ bytes: [UInt8], _ descriptor: Int32, isSealed: Bool) -> SendResult {
        let number = Int(descriptor)
        if let lostText, Self.isLost(bytes, lostText) {
            takenBytes += bytes.count
            return .sent(bytes.count)
        }
        let now = now
        let result = unsafe bytes.withUnsafeBytes { bytes in
            unsafe peers[number].take(bytes, now: now)
        }
        // Of what is sealed the plaintext counts, in the moment in which it is.
        if !isSealed, case .sent(let count) = result {
            takenBytes += count
        }
        return result
    }

    func kept(_ descriptor: Int32) -> [UInt8] { peers[Int(descriptor)].kept }

    mutating func keep(_ bytes: [UInt8], _ descriptor: Int32) {
        peers[Int(descriptor)].kept = bytes
    }

    mutating func noteEnd(_ descriptor: Int32) -> Bool {
        defer { peers[Int(descriptor)].hasEnded = true }
        return !peers[Int(descriptor)].hasEnded
    }

    mutating func noteSealed(_ byteCount: Int) { takenBytes += byteCount }

    mutating func finishSending(_ descriptor: Int32) {
        peers[Int(descriptor)].isFinished = true
    }
}
