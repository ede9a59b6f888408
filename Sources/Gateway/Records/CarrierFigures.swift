/// What is counted about the carrier to other hosts.
package struct CarrierFigures: BitwiseCopyable, Equatable, Sendable {
    package var isLive = false
    /// Times that it was lost, and those of them because nothing of our own came back.
    package var losses: UInt64 = 0
    package var deafnesses: UInt64 = 0
    package var framesSent: UInt64 = 0
    package var bytesSent: UInt64 = 0
    package var framesReceived: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    /// Frames that weren't sent, since too much waited, or nobody was there to take them.
    package var framesDropped: UInt64 = 0
    /// Times that a Sentinel was asked and gave no answer of use.
    package var sentinelFaults: UInt64 = 0
    /// From saying something to hearing it, the last time.
    package var roundTripNanoseconds: UInt64 = 0
    package var envelopes = EnvelopeFigures()

    package init() {}
}
