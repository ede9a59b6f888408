/// A client's slot index in the server's slab. The hub keeps indices, never sockets.
package typealias ClientIndex = UInt32

/// Names the room of a project while it has one.
package struct RoomIndex: Hashable, BitwiseCopyable, Sendable {
    package let raw: UInt32

    package init(raw: UInt32) {
        self.raw = raw
    }
}
