/// A list of users in blocks of the same size: one that grows is never moved, and has at most one block
/// that isn't full.
struct UserList {
    private static var blockBits: Int { 4 }
    private static var blockCount: Int { 1 << blockBits }

    private var blocks: [[PresentUser]] = []
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    var indices: Range<Int> { 0..<count }

    subscript(position: Int) -> PresentUser {
        get { blocks[position >> Self.blockBits][position & (Self.blockCount - 1)] }
        set { blocks[position >> Self.blockBits][position & (Self.blockCount - 1)] = newValue }
    }

    mutating func append(_ user: PresentUser) {
        if count & (Self.blockCount - 1) == 0 {
            blocks.append([])
            // The first one grows with a small project.
            if count > 0 { blocks[blocks.count - 1].reserveCapacity(Self.blockCount) }
        }
        blocks[blocks.count - 1].append(user)
        count += 1
    }

    mutating func removeLast() -> PresentUser {
        let last = blocks[blocks.count - 1].removeLast()
        if blocks[blocks.count - 1].isEmpty { blocks.removeLast() }
        count -= 1
        return last
    }

    func firstIndex(of user: UserID) -> Int? { indices.first { self[$0].user == user } }
}
