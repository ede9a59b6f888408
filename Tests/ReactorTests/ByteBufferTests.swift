import Reactor
import Testing

@Suite struct ByteBufferBehaviour {
    @Test func `decimal numbers are written without a sign or leading zeros`() {
        for value in [0, 7, 10, 99, 1_000, UInt64.max] {
            var buffer = ByteBuffer(capacity: 1)
            buffer.append(decimal: value)
            let text = String(decoding: buffer)
            #expect(text == String(value))
        }
    }
}
