package import Reactor

/// A direct message of a client, until the database has said what became of it.
package struct DirectSend: Sendable {
    package let client: Handle
    /// The id by which the connection is known.
    package let origin: UUID
    package let sender: UserID
    package let recipient: UserID
    package let id: UUID
    package let wantsReceipt: Bool
    package let ttlSeconds: UInt32
    package let reference: Reference
    /// JSON, as the client wrote it.
    package let data: [UInt8]
    /// Whether it is to have a statement of its own: one with others was refused, because of one of them.
    package internal(set) var isAlone = false

    package init(
        client: Handle, origin: UUID, sender: UserID, recipient: UserID, id: UUID,
        wantsReceipt: Bool, ttlSeconds: UInt32, reference: Reference, data: [UInt8]
    ) {
        self.client = client
        self.origin = origin
        self.sender = sender
        self.recipient = recipient
        self.id = id
        self.wantsReceipt = wantsReceipt
        self.ttlSeconds = ttlSeconds
        self.reference = reference
        self.data = data
    }
}

/// Acknowledgments of a client, until they are committed.
package struct DirectAck: Sendable {
    package let client: Handle
    package let origin: UUID
    package let user: UserID
    /// Whether senders may be told.
    package let isVisible: Bool
    package let reference: Reference
    package let ids: [UUID]
    package internal(set) var isAlone = false

    package init(
        client: Handle, origin: UUID, user: UserID, isVisible: Bool, reference: Reference,
        ids: [UUID]
    ) {
        self.client = client
        self.origin = origin
        self.user = user
        self.isVisible = isVisible
        self.reference = reference
        self.ids = ids
    }
}

/// What goes into a statement with others of its kind.
protocol DirectWish {
    /// Its share of what a statement may hold, and all may that wait.
    var weight: Int { get }
    var isAlone: Bool { get set }
}

extension DirectSend: DirectWish {
    var weight: Int { data.count + 256 }
}

extension DirectAck: DirectWish {
    var weight: Int { ids.count * 36 + 256 }
}
