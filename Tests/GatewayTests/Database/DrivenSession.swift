internal import CEpollShim
import Gateway
import Reactor
import Testing

/// What both sessions have for their caller, so that one loop drives either in tests.
protocol DrivenSession: ~Copyable {
    var registration: DatabaseRegistration? { get }
    var deadline: Instant? { get }
    mutating func ready(_ now: Instant) -> DatabaseEvent
    mutating func timer(_ now: Instant) -> DatabaseEvent
}

extension ListenerSession: DrivenSession {}
extension QuerySession: DrivenSession {}

/// The clock of a test: it stands still but for jumps to a deadline, so that nothing has to sleep.
struct TestClock {
    var now = Instant(nanoseconds: 1_000_000_000)

    mutating func advance(seconds: Double) {
        now = now.advanced(byNanoseconds: UInt64(seconds * 1e9))
    }
}

/// Drives the session to its next event: waits for its socket, and where it has none, jumps to its
/// deadline. `nil` after 20 s without one. Records an issue if a call takes as long as if it blocked.
func nextEvent<Session: DrivenSession & ~Copyable>(
    _ session: inout Session, _ clock: inout TestClock
) -> DatabaseEvent? {
    let patience = Clock.monotonic().advanced(byMilliseconds: 20_000)
    while Clock.monotonic() < patience {
        var event = DatabaseEvent.none
        if let registration = session.registration {
            guard isReady(registration, milliseconds: 20_000) else { return nil }
            event = timed { session.ready(clock.now) }
        } else if let deadline = session.deadline {
            clock.now = max(clock.now, deadline)
            event = timed { session.timer(clock.now) }
        } else {
            return nil
        }
        if event != .none { return event }
    }
    return nil
}

/// Waits for what the registration asks for, as epoll would.
func isReady(_ registration: DatabaseRegistration, milliseconds: Int32) -> Bool {
    var events: Int16 = 0
    if registration.wantsRead { events |= Int16(POLLIN) }
    if registration.wantsWrite { events |= Int16(POLLOUT) }
    var entry = pollfd(fd: registration.descriptor, events: events, revents: 0)
    return unsafe poll(&entry, 1, milliseconds) == 1
}

/// Far above what a call needs on a busy machine, far below any time-out that it could wait for.
private func timed(_ body: () -> DatabaseEvent) -> DatabaseEvent {
    let start = Clock.monotonic()
    let event = body()
    #expect(Clock.monotonic().nanoseconds(since: start) < 1_000_000_000, "the call blocked")
    return event
}
