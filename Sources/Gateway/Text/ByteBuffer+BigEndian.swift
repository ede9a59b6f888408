package import Reactor

/// Numbers with their most significant byte first, as the network has them.
extension ByteBuffer {
    mutating func append(bigEndian value: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }

    package mutating func append(bigEndian value: UInt32) {
        for shift in stride(from: 24, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
        }
    }

    mutating func append(bigEndian id: UUID) {
        append(bigEndian: id.high)
        append(bigEndian: id.low)
    }
}
