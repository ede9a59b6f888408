internal import CEpollShim

/// A counter that copies of a value share and that any thread may add to.
///
/// A class because sharing is its purpose. Safe outside: the word lives as long as the object, and
/// is only touched atomically.
@safe
public final class SharedCounter: @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt64>

    public init() {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
    }

    deinit {
        unsafe word.deallocate()
    }

    public func increment() {
        unsafe ces_atomic_increment(word)
    }

    public func add(_ count: UInt64) {
        unsafe ces_atomic_add(word, count)
    }

    public var value: UInt64 {
        unsafe ces_atomic_load(word)
    }
}
