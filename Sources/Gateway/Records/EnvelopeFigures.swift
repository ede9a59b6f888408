/// What is counted of envelopes that were skipped, or nearly.
package struct EnvelopeFigures: BitwiseCopyable, Equatable, Sendable {
    /// Too long, of another version, or malformed.
    package var invalid: UInt64 = 0
    /// Of another secret, or of none.
    package var unauthentic: UInt64 = 0
    /// Believed, of a process that has yet to get the secret that is in use.
    package var former: UInt64 = 0
    /// Older than what has come of the same process.
    package var repeated: UInt64 = 0
    /// Of a process that has yet to show that it is there.
    package var unproven: UInt64 = 0
    /// Of a process for which there is no room.
    package var refused: UInt64 = 0

    package init() {}
}
