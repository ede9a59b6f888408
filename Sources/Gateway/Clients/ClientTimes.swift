/// How long the phases of a connection may last, in nanoseconds.
package struct ClientTimes: BitwiseCopyable, Sendable {
    package var pingNanoseconds: UInt64 = 54_000_000_000
    package var readNanoseconds: UInt64 = 60_000_000_000
    package var handshakeNanoseconds: UInt64 = 10_000_000_000
    package var initNanoseconds: UInt64 = 10_000_000_000
    package var closeNanoseconds: UInt64 = 5_000_000_000

    package init() {}
}
