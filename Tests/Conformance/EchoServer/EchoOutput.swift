internal import Reactor

/// What waits for one peer.
struct EchoOutput: ~Copyable {
    enum State {
        case empty
        /// The socket takes no more for now.
        case waits
        case failed
    }

    var bytes = ByteBuffer()
    private var sentCount = 0

    /// Sends as much as the socket takes.
    mutating func send(to descriptor: Int32) -> State {
        while sentCount < bytes.count {
            let result = ClientSocket.send(
                bytes.bytes.extracting(sentCount..<bytes.count), to: descriptor)
            switch result {
            case .sent(let count): sentCount += count
            case .wouldBlock: return .waits
            case .failed: return .failed
            }
        }
        bytes.removeAll()
        sentCount = 0
        return .empty
    }
}
