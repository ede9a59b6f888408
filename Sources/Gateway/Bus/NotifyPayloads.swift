internal import Reactor

/// Envelopes as payloads of NOTIFY, which are text of at most 7,999 bytes: a digit that says which part it
/// is, one that says of how many, and the part in base64.
///
/// The notifications of a transaction come one behind the other, so parts of two envelopes are never mixed,
/// and what doesn't fit together is left out.
package struct NotifyPayloads: ~Copyable {
    /// Bytes of an envelope in one part: 7,868 characters.
    package static let partBytes = 5_900
    package static let partsMax = (Envelopes.bytesMax + partBytes - 1) / partBytes
    /// Bytes of a payload.
    package static let bytesMax = 2 + (partBytes * 8 + 5) / 6

    /// Of the envelope that is coming.
    private var envelope = ByteBuffer()
    private var partCount = 0
    private var nextPart = 1
    /// Payloads that nobody has made here.
    package private(set) var invalidCount: UInt64 = 0

    package init() {}

    /// The payloads of an envelope, in their order.
    package static func payloads(of envelope: [UInt8]) -> [String] {
        precondition(!envelope.isEmpty && envelope.count <= Envelopes.bytesMax)
        let count = (envelope.count + partBytes - 1) / partBytes
        return (0..<count).map { part in
            var text = ByteBuffer(capacity: bytesMax)
            text.append(decimal: UInt64(part + 1))
            text.append(decimal: UInt64(count))
            let end = min(envelope.count, (part + 1) * partBytes)
            let bytes = Array(envelope[(part * partBytes)..<end])
            Base64URL.encode(bytes.span, into: &text)
            return String(decoding: text)
        }
    }

    /// Takes a payload. Returns the envelope when it is whole.
    package mutating func take(_ payload: borrowing Span<UInt8>) -> [UInt8]? {
        guard payload.count > 2, payload.count <= Self.bytesMax,
            let part = Self.digit(payload[0]), let count = Self.digit(payload[1]),
            part <= count, count <= Self.partsMax
        else { return refuse() }
        if part == 1 {
            envelope.removeAll()
            partCount = count
            nextPart = 1
        }
        guard part == nextPart, count == partCount,
            Base64URL.decode(payload.extracting(2..<payload.count), into: &envelope)
        else { return refuse() }
        nextPart += 1
        guard part == count else { return nil }
        nextPart = 1
        partCount = 0
        return envelope.copy()
    }

    private mutating func refuse() -> [UInt8]? {
        invalidCount &+= 1
        partCount = 0
        return nil
    }

    private static func digit(_ byte: UInt8) -> Int? {
        (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
    }
}
