/// What is counted about the bus.
package struct BusFigures: BitwiseCopyable, Equatable, Sendable {
    package var framesSent: UInt64 = 0
    package var bytesSent: UInt64 = 0
    package var framesReceived: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    /// Frames that weren't sent, since too much waited for the carrier.
    package var framesDropped: UInt64 = 0
    /// Frames that were skipped: too long, of another version, or malformed.
    package var framesInvalid: UInt64 = 0
    /// Frames that were skipped because they are older than what is known, or came twice.
    package var framesStale: UInt64 = 0
    /// Frames that were skipped, whole or in part, since as much is known of others as may be.
    package var framesRefused: UInt64 = 0
    /// Times that frames of a node were missed.
    package var gaps: UInt64 = 0
    /// Times that a node was asked for all that it counts.
    package var snapshots: UInt64 = 0
    /// Nodes that went, by their end or by silence.
    package var nodesGone: UInt64 = 0
    /// Status answers that aren't whole.
    package var partialStatuses: UInt64 = 0
    /// Other nodes that are known, and those of them that have been silent for too long, now.
    package var nodes: UInt64 = 0
    package var nodesFrozen: UInt64 = 0
    /// Users present elsewhere, each counted in each project and node, now.
    package var presentElsewhere: UInt64 = 0
    /// Users of whom other nodes have said how many connections they have, of each node, now.
    package var usersElsewhere: UInt64 = 0

    package init() {}
}
