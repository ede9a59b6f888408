/// What the limits keep about one connection, in its record: four bytes.
package struct ClientAllowance: BitwiseCopyable {
    /// Messages and pings that it may send before time brings new ones; see `RateRule`.
    package var messages: UInt16 = 0
    /// Errors that it may still cause.
    package var errors: UInt8 = 0
    package var marks = AdmissionMarks()

    package init() {}
}

/// What is known about a connection, and what it is counted in.
package struct AdmissionMarks: OptionSet, BitwiseCopyable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// A proxy that is trusted has opened it.
    package static let fromTrustedProxy = AdmissionMarks(rawValue: 1 << 0)
    /// Its address is the one that the proxy named, no longer the proxy's.
    static let isForwarded = AdmissionMarks(rawValue: 1 << 1)
    /// It is one of its address' connections.
    package static let countedForAddress = AdmissionMarks(rawValue: 1 << 2)
    /// It is one of its user's connections.
    package static let countedForUser = AdmissionMarks(rawValue: 1 << 3)
    /// It is one of those that have yet to say who they are.
    package static let countedAsUnauthenticated = AdmissionMarks(rawValue: 1 << 4)
    /// Its address had as many connections as it may have; it is here to be refused with an answer.
    package static let isOverAddressLimit = AdmissionMarks(rawValue: 1 << 5)
    /// All places were taken when it came; it is here to be refused with an answer.
    package static let isOverPlaces = AdmissionMarks(rawValue: 1 << 6)
    /// Its TLS handshake was counted, and its next upgrade with it.
    static let hasPaidHandshake = AdmissionMarks(rawValue: 1 << 7)
}
