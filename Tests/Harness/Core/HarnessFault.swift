/// Why a test can't even begin.
package enum HarnessFault: Error {
    case notAnAddress
    /// The core had the descriptor closed at once.
    case connectionDropped
    /// A handshake that should have succeeded was answered with this status.
    case notUpgraded(Int?)
}
