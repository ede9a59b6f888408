internal import Gateway
internal import Reactor

/// Messages on their way back.
struct Echoes: ~Copyable {
    private var pool = SegmentPool()

    /// Takes the next piece of a message; with the last one the message goes out as one frame.
    mutating func take(
        _ payload: borrowing Span<UInt8>, _ opcode: Opcode, endsMessage: Bool,
        of connection: EchoConnection
    ) {
        if endsMessage, connection.message == .none {
            FrameEncoder.write(payload, opcode: opcode, into: &connection.output.bytes)
            return
        }
        pool.assemble(payload, into: &connection.message)
        guard endsMessage else { return }
        FrameEncoder.write(
            pool.bytes(of: connection.message), opcode: opcode, into: &connection.output.bytes)
        forget(connection)
    }

    /// Drops what there is of a message that isn't complete.
    mutating func forget(_ connection: EchoConnection) {
        guard connection.message != .none else { return }
        pool.release(connection.message)
        connection.message = .none
    }
}
