internal import CEpollShim

/// What a host name led to.
public struct ResolvedHost: Equatable, Sendable {
    public let name: String
    /// In the order of RFC 6724, in text form; at most `HostResolver.addressesMax`.
    public let addresses: [String]
    /// Why there are none.
    public let failure: String?

    public init(name: String, addresses: [String], failure: String? = nil) {
        self.name = name
        self.addresses = addresses
        self.failure = failure
    }
}

/// Looks up host names without blocking the loop.
///
/// getaddrinfo(3) blocks for as long as the name servers please, and has no other form that works
/// with every name source of a system. So it runs on a helper thread: **the only one of the
/// program besides the loop**. One at a time: it lives for one look-up of all names, and while it
/// runs, `begin` starts no other. It tells its end through an eventfd.
///
/// A program that has no name to look up has no resolver and no thread.
public struct HostResolver: ~Copyable {
    /// Addresses that are kept of one name: libpq tries them one after the other, all within one
    /// connection's deadline.
    public static let addressesMax = 8

    private let exchange: ResolverExchange

    /// - Parameter names: what `begin` looks up; none if each look-up brings its own.
    public init(names: [String]) throws(Errno) {
        precondition(names.count <= ConnectionString.hostsMax)
        let raw = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard raw >= 0 else { throw .current }
        exchange = ResolverExchange(names: names, signal: OwnedDescriptor(adopting: raw))
    }

    /// Readable when a look-up has ended; epoll watches it all the time. Never changes.
    public var descriptor: Int32 {
        exchange.signal.raw
    }

    /// Looks all names up, unless that is under way already or its outcome waits to be taken: its
    /// signal has been given, and another look-up would take the outcome away behind it.
    public mutating func begin() {
        begin(exchange.names)
    }

    /// The same with other names, from here on. Where a look-up is under way its outcome is of the former
    /// ones: each host says its name.
    public mutating func begin(_ names: [String]) {
        precondition(names.count <= ConnectionString.hostsMax)
        guard exchange.enter(names) else { return }
        let started = startThread(with: exchange)
        if let error = started {
            exchange.finish(
                exchange.names.map { name in
                    ResolvedHost(name: name, addresses: [], failure: "no thread: \(error)")
                })
        }
    }

    /// The outcome, once: `nil` while the look-up is under way and when it has been taken.
    public mutating func takeResult() -> [ResolvedHost]? {
        exchange.take()
    }
}

/// What the loop and the helper thread share, under one lock that neither holds for longer than an
/// assignment. A class, because either may be the last to need it: a look-up can outlive the
/// resolver by minutes, and keeps this, and with it the eventfd, alive.
@safe
private final class ResolverExchange {
    /// What is looked up. Set before a helper thread is there, which reads it, and not while it is.
    private(set) var names: [String]
    let signal: OwnedDescriptor
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private var state = State.idle

    private enum State {
        case idle
        case running
        case finished([ResolvedHost])
    }

    init(names: [String], signal: consuming OwnedDescriptor) {
        self.names = names
        self.signal = signal
        unsafe lock = .allocate(capacity: 1)
        unsafe lock.initialize(to: pthread_mutex_t())
        let status = unsafe pthread_mutex_init(lock, nil)
        precondition(status == 0)  // A default mutex can't fail on Linux.
    }

    deinit {
        unsafe pthread_mutex_destroy(lock)
        unsafe lock.deallocate()
    }

    /// Loop. False when a look-up is under way, or its outcome waits to be taken.
    func enter(_ names: [String]) -> Bool {
        locked {
            guard case .idle = state else { return false }
            state = .running
            self.names = names
            return true
        }
    }

    /// Helper thread (or the loop, where there is none).
    func finish(_ hosts: [ResolvedHost]) {
        locked { state = .finished(hosts) }
        var one: UInt64 = 1
        let count = unsafe write(signal.raw, &one, 8)
        // The counter is drained with each result, so it can't be full (eventfd(2)).
        precondition(count == 8)
    }

    /// Loop.
    func take() -> [ResolvedHost]? {
        var counter: UInt64 = 0
        // EAGAIN when nothing was signalled: the state says all there is to know.
        _ = unsafe read(signal.raw, &counter, 8)
        return locked {
            guard case .finished(let hosts) = state else { return nil }
            state = .idle
            return hosts
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        let entered = unsafe pthread_mutex_lock(lock)
        precondition(entered == 0)
        defer {
            let left = unsafe pthread_mutex_unlock(lock)
            precondition(left == 0)
        }
        return body()
    }
}

/// Starts the helper thread, detached: nobody waits for its end.
private func startThread(with exchange: ResolverExchange) -> Errno? {
    // Signals are the loop's. A new thread inherits the mask, so it is set around the creation.
    var all = sigset_t()
    var before = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }

    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(exchange)
    let status = unsafe pthread_create(&thread, nil, resolveAll, context.toOpaque())
    guard status == 0 else {
        unsafe context.release()
        return Errno(code: status)
    }
    _ = pthread_detach(thread)
    return nil
}

/// The helper thread: everything that it does.
private func resolveAll(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    let exchange = unsafe Unmanaged<ResolverExchange>.fromOpaque(context).takeRetainedValue()
    exchange.finish(exchange.names.map(resolve))
    return nil
}

private func resolve(_ name: String) -> ResolvedHost {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = ces_SOCK_STREAM
    var found: UnsafeMutablePointer<addrinfo>?
    let status = unsafe name.withCString { unsafe getaddrinfo($0, nil, &hints, &found) }
    guard status == 0 else {
        let failure = unsafe gai_strerror(status).map { unsafe String(cString: $0) }
        return ResolvedHost(name: name, addresses: [], failure: failure ?? "error \(status)")
    }
    defer { unsafe freeaddrinfo(found) }
    var addresses: [String] = []
    var entry = unsafe found
    while let current = unsafe entry, addresses.count < HostResolver.addressesMax {
        if let text = unsafe numericText(current.pointee) { addresses.append(text) }
        unsafe entry = current.pointee.ai_next
    }
    return ResolvedHost(
        name: name, addresses: addresses, failure: addresses.isEmpty ? "no address" : nil)
}

@unsafe private func numericText(_ entry: addrinfo) -> String? {
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let status = unsafe getnameinfo(
        entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    guard status == 0 else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
