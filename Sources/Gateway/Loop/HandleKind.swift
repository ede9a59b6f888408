/// What lives behind a handle that epoll reports.
enum HandleKind: UInt8 {
    /// Handles of clients are made by `Clients`, which knows of no others: it is the kind 0.
    case client = 0
    case publicListener
    case adminListener
    case signals
    case listenerSession
    case querySession
    case readSession
    case resolver
    case bus
    case busPublisher
    case busSubscriber
    case busResolver
    /// The socket to the parent, by which it says who leads.
    case sessionControl
    case leaderLink
    case followerLink
}
