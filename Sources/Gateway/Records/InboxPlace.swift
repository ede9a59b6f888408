/// A place in an inbox: what lies behind it has yet to be read. Messages lie in the order of their
/// transactions' numbers, and of those that a transaction sent in the order in which it did.
package struct InboxPlace: Equatable, BitwiseCopyable, Sendable {
    package let transaction: UInt64
    /// The number of a row; 0 before all of the transaction.
    package let sequence: Int64

    package init(transaction: UInt64, sequence: Int64) {
        self.transaction = transaction
        self.sequence = sequence
    }

    /// Before everything.
    package static let start = InboxPlace(transaction: 0, sequence: 0)
}
