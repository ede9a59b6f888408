internal import Reactor

/// Rooms at rest that have the same number of users, each a row of words without gaps: the project, the
/// number of the last round, and three words for each user. The last row takes the place of one that is
/// removed, and rows stand in chunks, so that what is given out is what is used.
struct RestingRows {
    private static var chunkWords: Int { 512 }
    private static var headWords: Int { 3 }

    let users: Int
    private let rowWords: Int
    private let rowsPerChunk: Int
    private var chunks: [[UInt64]] = []
    private(set) var count = 0

    init(users: Int) {
        self.users = users
        rowWords = Self.headWords + PackedUser.wordCount * users
        rowsPerChunk = max(1, Self.chunkWords / rowWords)
    }

    func project(of row: Int) -> ProjectID {
        ProjectID(high: self[row, 0], low: self[row, 1])
    }

    func sequence(of row: Int) -> UInt64 { self[row, 2] }

    func user(_ position: Int, of row: Int) -> PackedUser {
        let first = Self.headWords + PackedUser.wordCount * position
        return PackedUser(self[row, first], self[row, first + 1], self[row, first + 2])
    }

    /// Returns the row, the last one.
    mutating func append(_ room: PresenceRoom) -> Int {
        precondition(room.users.count == users)
        if count % rowsPerChunk == 0 {
            chunks.append([])
            // The first one grows with a small gateway.
            if count > 0 { chunks[chunks.count - 1].reserveCapacity(rowsPerChunk * rowWords) }
        }
        let chunk = chunks.count - 1
        chunks[chunk].append(room.project.high)
        chunks[chunk].append(room.project.low)
        chunks[chunk].append(room.sequence)
        for position in room.users.indices {
            let packed = PackedUser(room.users[position])
            chunks[chunk].append(packed.high)
            chunks[chunk].append(packed.low)
            chunks[chunk].append(packed.rest)
        }
        count += 1
        return count - 1
    }

    /// Takes a row out; the last one has its number from then on.
    mutating func remove(_ row: Int) {
        let last = count - 1
        if row != last {
            for word in 0..<rowWords {
                chunks[row / rowsPerChunk][row % rowsPerChunk * rowWords + word] = self[last, word]
            }
        }
        chunks[chunks.count - 1].removeLast(rowWords)
        if chunks[chunks.count - 1].isEmpty { chunks.removeLast() }
        count -= 1
    }

    private subscript(row: Int, word: Int) -> UInt64 {
        chunks[row / rowsPerChunk][row % rowsPerChunk * rowWords + word]
    }
}
