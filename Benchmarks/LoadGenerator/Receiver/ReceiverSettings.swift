internal import Reactor

/// What a receiver is told when it is started.
struct ReceiverSettings {
    /// The instant from which times of the run are counted.
    var origin: Instant
    var target: Target
    /// The address that its connections come from.
    var source: SocketAddress
    var projects: Int
    /// The number of the first project that its clients look at, and how many there are.
    var firstProject: Int
    var projectCount: Int
    var capacity: Int
    var reportsEvery: Int
    /// Connections being opened at the same time.
    var window: Int
    /// Connections are tried again when the server refuses or drops them while opening.
    var attemptsMax: UInt8 = 3
}
