/// What lives behind a handle that epoll reports.
enum HandleKind: UInt8 {
    case client
    case publicListener
    case adminListener
    case signals
    case listenerSession
    case querySession
    case resolver
}
