package import Reactor

/// What connections are counted by.
package protocol CountedKey: Equatable, BitwiseCopyable {
    /// The key's bits in one word, well enough mixed with a secret `seed` that nobody can choose
    /// keys that collide.
    func mixed(with seed: UInt64) -> UInt64
}

extension NetworkAddress: CountedKey {
    package func mixed(with seed: UInt64) -> UInt64 {
        var mixer = Jitter(seed: raw ^ seed)
        return mixer.next()
    }
}

extension UUID: CountedKey {
    package func mixed(with seed: UInt64) -> UInt64 {
        var first = Jitter(seed: high ^ seed)
        var second = Jitter(seed: low ^ first.next())
        return second.next()
    }
}
