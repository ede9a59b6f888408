/// Whose a queued piece is, and so whether it may be dropped.
package enum QueueTag {
    /// Frames for this client alone.
    package static let own: UInt32 = 0
    /// An HTTP answer, among them the one that opens the WebSocket: never dropped, and no frames.
    package static let response: UInt32 = .max
    /// What a client that resumes has missed: frames for it alone, counted as one, because there may
    /// be more of them than of anything else, once.
    package static let missed: UInt32 = .max - 2
    /// Events of several rooms, for a client that looks at several projects.
    package static let ordered: UInt32 = .max - 1

    /// Presence and typing: of such the latest counts, and the core sends it whole once there is room.
    package static let state: UInt32 = .max - 3

    /// Frames for a whole room.
    package static func broadcast(_ room: RoomIndex) -> UInt32 { room.raw + 1 }

    package static func room(_ tag: UInt32) -> RoomIndex? {
        tag == own || tag >= state ? nil : RoomIndex(raw: tag - 1)
    }

    /// Whether a resync, or a later state, can stand in the place of the piece.
    package static func isReplaceable(_ tag: UInt32) -> Bool {
        tag == ordered || tag == state || room(tag) != nil
    }
}
