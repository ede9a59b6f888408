package import Gateway
package import Reactor

/// What a test lets the kernel do for one connection, and what it saw of it.
package struct ScriptedSocket {
    package let index: ClientIndex
    /// Bytes that the socket takes before it blocks.
    package var capacity = Int.max
    /// Everything that the socket has taken, decrypted.
    package var taken: [UInt8] = []
    /// What of it came encrypted.
    package var opener = MadeUpRecords.Opener()
    /// Ciphertext that the socket didn't take yet.
    package var kept: [UInt8] = []
    /// Whether it was said that nothing more is sent.
    package var hasEnded = false
    /// What the peer has sent while nothing was read.
    package var unread: [UInt8] = []
    /// What the core wants to be told of.
    package var interest: Interest = []
    /// Whether our direction was ended.
    package var isFinished = false
    /// How often the descriptor was given back to be closed.
    package var closeCount = 0

    /// Takes what there is room for.
    package mutating func send(_ bytes: ArraySlice<UInt8>, isSealed: Bool = false) -> SendResult {
        guard capacity > 0 else { return .wouldBlock }
        let part = bytes.prefix(capacity)
        taken += isSealed ? opener.open(Array(part)) : Array(part)
        if capacity != .max { capacity -= part.count }
        return .sent(part.count)
    }
}

/// The kernel's end of the flush: takes what the core sends, as far as each socket has room.
struct ScriptedTransport: ~Copyable {
    /// The descriptor of each is a thousand more than its number.
    var sockets: [ScriptedSocket] = []
    var batch = MadeUpBatch()

    private static func number(_ descriptor: Int32) -> Int { Int(descriptor) - 1_000 }
}

extension ScriptedTransport: MadeUpKernel {
    static var batchMax: Int { SendBatch.capacity }

    mutating func take(_ bytes: [UInt8], _ descriptor: Int32, isSealed: Bool) -> SendResult {
        sockets[Self.number(descriptor)].send(bytes[...], isSealed: isSealed)
    }

    func kept(_ descriptor: Int32) -> [UInt8] { sockets[Self.number(descriptor)].kept }

    mutating func keep(_ bytes: [UInt8], _ descriptor: Int32) {
        sockets[Self.number(descriptor)].kept = bytes
    }

    mutating func noteEnd(_ descriptor: Int32) -> Bool {
        defer { sockets[Self.number(descriptor)].hasEnded = true }
        return !sockets[Self.number(descriptor)].hasEnded
    }

    mutating func noteSealed(_ byteCount: Int) {}

    mutating func finishSending(_ descriptor: Int32) {
        sockets[Self.number(descriptor)].isFinished = true
    }
}
