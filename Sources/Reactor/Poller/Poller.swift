internal import CEpollShim

/// The interest list and readiness of epoll(7), level triggered.
@safe
public struct Poller: ~Copyable {
    /// Events taken at once. When a wait returns fewer, everything that was ready is among them.
    public static let eventCountMax = 1_024

    private let descriptor: OwnedDescriptor
    private let events: UnsafeMutablePointer<epoll_event>

    public init() throws(Errno) {
        let raw = epoll_create1(ces_SOCK_CLOEXEC)
        guard raw >= 0 else { throw Errno.current }
        descriptor = OwnedDescriptor(adopting: raw)
        unsafe events = .allocate(capacity: Self.eventCountMax)
    }

    deinit {
        unsafe events.deallocate()
    }

    /// Adds a descriptor; `handle` comes back with each of its events. A closed descriptor leaves
    /// the list by itself.
    public func add(_ target: Int32, handle: Handle, interest: Interest) throws(Errno) {
        try control(EPOLL_CTL_ADD, target, handle, interest)
    }

    /// Replaces the interest of a descriptor in the list.
    public func modify(_ target: Int32, handle: Handle, interest: Interest) throws(Errno) {
        try control(EPOLL_CTL_MOD, target, handle, interest)
    }

    /// Takes a descriptor out that stays open.
    public func remove(_ target: Int32) throws(Errno) {
        try control(EPOLL_CTL_DEL, target, Handle(raw: 0), [])
    }

    /// Waits for events, at most `nanoseconds`; `nil` waits for as long as it takes.
    ///
    /// The time is rounded up to a millisecond: rounded down, the loop would spin through the last
    /// one. Returns how many events there are, zero also when a signal interrupted.
    public func wait(nanoseconds: UInt64?) throws(Errno) -> Int {
        let timeout: Int32
        if let nanoseconds {
            let (milliseconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
            timeout = Int32(clamping: milliseconds + (rest > 0 ? 1 : 0))
        } else {
            timeout = -1
        }
        let count = unsafe epoll_wait(
            descriptor.raw, events, Int32(Self.eventCountMax), timeout)
        if count >= 0 { return Int(count) }
        let errno = Errno.current
        if errno == .interrupted { return 0 }
        throw errno
    }

    /// The handle of the event at `index` of the last wait.
    public func handle(at index: Int) -> Handle {
        precondition(index >= 0 && index < Self.eventCountMax)
        return unsafe Handle(raw: events[index].data.u64)
    }

    /// The readiness of the event at `index` of the last wait.
    public func readiness(at index: Int) -> Readiness {
        precondition(index >= 0 && index < Self.eventCountMax)
        return unsafe Readiness(rawValue: events[index].events)
    }

    private func control(
        _ operation: Int32, _ target: Int32, _ handle: Handle, _ interest: Interest
    ) throws(Errno) {
        var event = unsafe epoll_event()
        unsafe event.events = interest.rawValue
        unsafe event.data.u64 = handle.raw
        guard unsafe epoll_ctl(descriptor.raw, operation, target, &event) == 0 else {
            throw Errno.current
        }
    }
}
