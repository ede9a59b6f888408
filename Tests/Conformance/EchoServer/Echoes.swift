internal import Gateway
internal import Reactor

/// Messages on their way back: what comes compressed also goes so.
struct Echoes: ~Copyable {
    private var pool = SegmentPool()
    private var compressor = EchoCompressor()

    /// The largest of the suite.
    static let messageBytesMax = 16 << 20

    /// Takes the next piece of a message; with the last one the message goes out as one frame.
    mutating func take(
        _ payload: borrowing Span<UInt8>, _ opcode: Opcode, isCompressed: Bool, endsMessage: Bool,
        of connection: EchoConnection
    ) {
        pool.assemble(payload, into: &connection.message)
        guard endsMessage else { return }
        if isCompressed {
            compressor.echo(connection.message, of: pool, opcode, to: connection)
        } else {
            FrameEncoder.write(
                pool.bytes(of: connection.message), opcode: opcode,
                into: &connection.output.bytes)
        }
        forget(connection)
    }

    /// Drops what there is of a message that isn't complete.
    mutating func forget(_ connection: EchoConnection) {
        guard connection.message != .none else { return }
        pool.release(connection.message)
        connection.message = .none
    }
}

private struct EchoCompressor: ~Copyable {
    private var compressor = MessageCompressor()
    private var decompressor = MessageDecompressor()

    mutating func echo(
        _ payload: SegmentIndex, of pool: borrowing SegmentPool, _ opcode: Opcode,
        to connection: EchoConnection
    ) {
        let outcome = decompressor.decompress(
            pool.bytes(of: payload), opcode: opcode, bytesMax: Echoes.messageBytesMax)
        switch outcome {
        case .done:
            // A copy, since the original can't be lent to whom it belongs to.
            var message = ByteBuffer()
            message.append(decompressor.message.bytes)
            compressor.write(message.bytes, opcode: opcode, into: &connection.output.bytes)
        case .failure(let code, let reason):
            connection.fail(code, reason)
        }
    }
}
