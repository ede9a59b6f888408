package import Reactor

/// Some of a ring's keys: a bit for each.
struct KeySelection: OptionSet, BitwiseCopyable {
    let rawValue: UInt32

    init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The key at this place alone.
    init(_ position: Int) {
        rawValue = 1 << UInt32(position)
    }

    var count: Int { rawValue.nonzeroBitCount }

    /// Takes the first key out and returns its place; `nil` when none is left.
    mutating func removeFirst() -> Int? {
        guard !isEmpty else { return nil }
        let position = rawValue.trailingZeroBitCount
        remove(KeySelection(position))
        return position
    }
}

/// The keys that tokens are verified with. A token chooses among those of its algorithm by the
/// `kid` of its header; it never chooses what a key is used for (RFC 8725 §3.1).
package struct KeyRing: ~Copyable {
    /// Keys of all kinds: providers publish two to five, and `KeySelection` has so many bits.
    package static let keysMax = 32
    /// Keys that one token is tried with. It bounds what a signature that fits none costs.
    package static let triesMax = 4

    private struct Entry {
        let key: VerificationKey
        let keyID: [UInt8]?
    }

    private var entries: [Entry] = []

    package init() {}

    package var count: Int { entries.count }

    /// Those whose checks are costly.
    var costly: KeySelection {
        var costly: KeySelection = []
        for position in entries.indices where entries[position].key.algorithm.isCostly {
            costly.insert(KeySelection(position))
        }
        return costly
    }

    /// Adds a key.
    ///
    /// - Parameter keyID: its `kid`. A key without one is tried with tokens whose `kid` nobody has,
    ///   or that have none.
    package mutating func add(
        _ key: VerificationKey, keyID: [UInt8]? = nil
    ) throws(KeyRingError) {
        guard entries.count < Self.keysMax else { throw .tooManyKeys }
        let same = entries.filter { $0.key.algorithm == key.algorithm && $0.keyID == keyID }
        if keyID == nil {
            guard same.count < Self.triesMax else { throw .tooManyWithoutID(key.algorithm) }
        } else {
            guard same.isEmpty else { throw .duplicateID(key.algorithm) }
        }
        entries.append(Entry(key: key, keyID: keyID))
    }

    /// Adds a key of HS256.
    package mutating func add(secret: borrowing Span<UInt8>) throws(KeyRingError) {
        let key: VerificationKey
        do throws(CryptoFailure) {
            key = try VerificationKey(secret: secret)
        } catch {
            throw .unavailable
        }
        try add(key)
    }

    /// Adds a key in PEM form.
    package mutating func add(
        pem text: borrowing Span<UInt8>, for algorithm: SignatureAlgorithm?
    ) throws(KeyRingError) {
        let key: PublicKey
        do throws(PublicKeyFailure) {
            key = try PublicKey(pem: text, for: algorithm)
        } catch {
            throw .key(error)
        }
        try add(VerificationKey(key))
    }

    /// The keys that a token may be signed with: of its algorithm, the one that it names; else
    /// those that have no name; and all, if it names none and they are few.
    func candidates(
        for algorithm: SignatureAlgorithm, keyID: Span<UInt8>?
    ) throws(TokenError) -> KeySelection {
        var all: KeySelection = []
        var named: KeySelection = []
        var nameless: KeySelection = []
        for position in entries.indices where entries[position].key.algorithm == algorithm {
            all.insert(KeySelection(position))
            guard let own = entries[position].keyID else {
                nameless.insert(KeySelection(position))
                continue
            }
            if let keyID, keyID.isEqual(to: own.span) { named.insert(KeySelection(position)) }
        }
        guard !all.isEmpty else { throw .algorithmNotAllowed }
        if keyID == nil {
            if all.count <= Self.triesMax { return all }
            guard !nameless.isEmpty else { throw .keyNotNamed }
            return nameless
        }
        if !named.isEmpty { return named }
        guard !nameless.isEmpty else { throw .keyUnknown }
        return nameless
    }

    // Hot path.
    /// Whether `signature` is that of `signed` under the key at `position`.
    func verify(
        _ signature: borrowing Span<UInt8>, of signed: borrowing Span<UInt8>, at position: Int
    ) throws(CryptoFailure) -> Bool {
        try entries[position].key.verify(signature, of: signed)
    }
}

/// Why keys aren't taken: for a person, who chose the file.
package enum KeyRingError: Error, Equatable, Sendable {
    case key(PublicKeyFailure)
    case tooManyKeys
    /// More than `KeyRing.triesMax` of one algorithm without a `kid`.
    case tooManyWithoutID(SignatureAlgorithm)
    /// Two keys of one algorithm with the same `kid`.
    case duplicateID(SignatureAlgorithm)
    /// Not the JSON of a key set (RFC 7517 §5).
    case notAKeySet
    /// A key of a set, counted from one.
    case keyOfSet(Int, PublicKeyFailure)
    /// A set without a key that could be used.
    case nothingUsable
    /// OpenSSL has no memory, or doesn't offer the algorithm here.
    case unavailable
}

extension KeyRingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .key(let failure): failure.description
        case .tooManyKeys: "more than \(KeyRing.keysMax) keys"
        case .tooManyWithoutID(let algorithm):
            "more than \(KeyRing.triesMax) keys of \(algorithm.name) without a kid"
        case .duplicateID(let algorithm): "two keys of \(algorithm.name) have the same kid"
        case .notAKeySet: "not a JSON Web Key Set: an object with an array \"keys\" is expected"
        case .keyOfSet(let number, let failure): "key \(number) of the set: \(failure)"
        case .nothingUsable: "holds no key that could be used"
        case .unavailable: "OpenSSL cannot use the key here"
        }
    }
}

extension Span<UInt8> {
    fileprivate func isEqual(to other: borrowing Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in 0..<count where self[index] != other[index] { return false }
        return true
    }
}
