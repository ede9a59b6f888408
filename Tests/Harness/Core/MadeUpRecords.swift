/// Records as a transport without TLS makes them up: their framing is TLS's, and their encryption is
/// one that nobody mistakes for plaintext. So what is sent in the clear by mistake is found.
package enum MadeUpRecords {
    /// The most bytes in one: few, so that what waits takes several.
    package static let bytesMax = 256

    private static let data: UInt8 = 0x17
    private static let alert: UInt8 = 0x15

    package static func seal(_ bytes: [UInt8]) -> [UInt8] {
        [data, UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes.map { $0 ^ 0x5A }
    }

    /// Says that nothing more follows.
    package static let end: [UInt8] = [alert, 0, 0]

    /// What a peer makes of the ciphertext that it gets.
    package struct Opener: Sendable {
        private var rest: [UInt8] = []
        /// Whether the end was said.
        package private(set) var hasEnded = false

        package init() {}

        /// Whether half of a record has come.
        package var isWhole: Bool { rest.isEmpty }

        /// The plaintext of the records that are complete.
        package mutating func open(_ bytes: [UInt8]) -> [UInt8] {
            rest += bytes
            var plaintext: [UInt8] = []
            while rest.count >= 3 {
                let count = Int(rest[1]) << 8 | Int(rest[2])
                guard rest.count >= 3 + count else { break }
                precondition(!hasEnded, "a record behind the last one")
                precondition(rest[0] == MadeUpRecords.data || rest[0] == MadeUpRecords.alert)
                if rest[0] == MadeUpRecords.alert { hasEnded = true }
                plaintext += rest[3..<3 + count].map { $0 ^ 0x5A }
                rest.removeFirst(3 + count)
            }
            return plaintext
        }
    }
}
