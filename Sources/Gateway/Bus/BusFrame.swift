package import Reactor

/// What nodes tell each other, as bytes; all numbers most significant byte first.
///
///     0xDB, version, kind, marks | node 8 | epoch 8 | number 8 | body
///
/// The carrier says where a frame ends. Frames are as untrusted as what clients send: nothing that
/// is wrong with one can do more than have it skipped.
package struct BusFrame: Equatable, Sendable {
    package static let version: UInt8 = 1
    static let magic: UInt8 = 0xDB
    static let headerBytes = 28

    package let sender: BusIdentity
    /// How many frames with counts the sender had sent, this one included; of one about people how many
    /// with those who are present.
    package let number: UInt64
    package let content: Content

    package enum Content: Equatable, Sendable {
        case counts(CountsFrame)
        case snapshotWanted(SnapshotWanted)
        case snapshot(SnapshotFrame)
        case usersWanted(UsersWanted)
        case users(UsersFrame)
        /// The sender has ended; the carrier says so in its name.
        case goodbye(GoodbyeFrame)
        case people(PeopleFrame)
        case peopleWanted(PeopleWanted)
        case peoplePart(PeoplePart)
        case typing(TypingFrame)
        /// Connections of users at the sender, and direct messages that users have sent there since it last said so.
        case connections([UserCount])
        case sends([UserCount])
    }

    package init(sender: BusIdentity, number: UInt64, _ content: Content) {
        self.sender = sender
        self.number = number
        self.content = content
    }

    /// Projects in one frame, and users.
    package static let projectsMax = (Limits.busFrameBytesMax - headerBytes - 12) / 20
    package static let usersMax = (Limits.busFrameBytesMax - headerBytes - 12) / 16
}

/// What the sender counts: what has changed since its last such frame, and the sums with it. Without
/// a project it says that the sender is there.
package struct CountsFrame: Equatable, Sendable {
    /// All WebSocket connections.
    package var clients: UInt32
    /// Of all projects that the sender has ever told of, as they are after this frame.
    package var hash: UInt64
    /// Whether it has more projects than it tells of.
    package var omitsProjects = false
    /// Of each the whole number, not the difference; zero when nobody is left.
    package var changes: [ProjectCount] = []

    package init(clients: UInt32, hash: UInt64) {
        self.clients = clients
        self.hash = hash
    }
}

/// Asks one node for its projects, from a shard on.
package struct SnapshotWanted: Equatable, Sendable {
    package let target: BusIdentity
    package let shard: Int

    package init(target: BusIdentity, shard: Int) {
        self.target = target
        self.shard = shard
    }
}

/// All projects of some shards, for the node that has asked.
package struct SnapshotFrame: Equatable, Sendable {
    package var target: UInt64
    package var shards: Range<Int>
    package var counts: [ProjectCount]

    package init(target: UInt64, shards: Range<Int>, counts: [ProjectCount]) {
        self.target = target
        self.shards = shards
        self.counts = counts
    }
}

/// Asks one node for the users who look at a project.
package struct UsersWanted: Equatable, Sendable {
    package var target: UInt64
    /// The asker's number of the question.
    package var question: UInt32
    package var project: ProjectID
    /// The last one of which is known; `nil` for the first part.
    package var after: UserID?

    package init(target: UInt64, question: UInt32, project: ProjectID, after: UserID? = nil) {
        self.target = target
        self.question = question
        self.project = project
        self.after = after
    }
}

/// Users, each once and in order, for the node that has asked.
package struct UsersFrame: Equatable, Sendable {
    package var target: UInt64
    package var question: UInt32
    package var isLast: Bool
    package var users: [UserID]

    package init(target: UInt64, question: UInt32, isLast: Bool, users: [UserID]) {
        self.target = target
        self.question = question
        self.isLast = isLast
        self.users = users
    }
}

/// What its end means for the sender's users.
package struct GoodbyeFrame: Equatable, Sendable {
    /// What is left of the time within which the clients that it has sent away shall come back, to
    /// whichever node. Without a drain there is none, and then it isn't in the frame.
    package let windowMilliseconds: UInt32

    package init(windowMilliseconds: UInt32 = 0) {
        self.windowMilliseconds = min(
            windowMilliseconds, UInt32(Limits.reconnectWindowMillisecondsMax))
    }
}

extension BusFrame {
    /// The node that a frame is for; `nil` when it is for all, or isn't whole.
    package static func target(of bytes: borrowing Span<UInt8>) -> UInt64? {
        guard bytes.count >= headerBytes + 8 else { return nil }
        switch bytes[2] {
        case 2...5, 8, 9: return bytes.word(at: headerBytes)
        default: return nil
        }
    }
}

// MARK: Writing

extension BusFrame {
    private var kind: UInt8 {
        switch content {
        case .counts: 1
        case .snapshotWanted: 2
        case .snapshot: 3
        case .usersWanted: 4
        case .users: 5
        case .goodbye: 6
        case .people: 7
        case .peopleWanted: 8
        case .peoplePart: 9
        case .typing: 10
        case .connections: 11
        case .sends: 12
        }
    }

    private var mark: Bool {
        switch content {
        case .counts(let counts): counts.omitsProjects
        case .usersWanted(let wanted): wanted.after != nil
        case .users(let users): users.isLast
        case .people(let people): people.omits
        case .snapshotWanted, .snapshot, .goodbye, .peopleWanted, .peoplePart, .typing,
            .connections, .sends:
            false
        }
    }

    /// Appends the frame, of at most `Limits.busFrameBytesMax` bytes.
    package func write(into buffer: inout ByteBuffer) {
        let start = buffer.count
        buffer.append(Self.magic)
        buffer.append(Self.version)
        buffer.append(kind)
        buffer.append(mark ? 1 : 0)
        buffer.append(bigEndian: sender.node)
        buffer.append(bigEndian: sender.epoch)
        buffer.append(bigEndian: number)
        writeBody(into: &buffer)
        precondition(buffer.count - start <= Limits.busFrameBytesMax)
    }

    private func writeBody(into buffer: inout ByteBuffer) {
        switch content {
        case .counts(let counts):
            buffer.append(bigEndian: counts.clients)
            buffer.append(bigEndian: counts.hash)
            for change in counts.changes { buffer.append(change) }
        case .snapshotWanted(let wanted):
            buffer.append(bigEndian: wanted.target.node)
            buffer.append(bigEndian: wanted.target.epoch)
            buffer.append(bigEndian: UInt32(wanted.shard))
        case .snapshot(let snapshot):
            buffer.append(bigEndian: snapshot.target)
            // The end is 256 at most, so both fit into a word.
            buffer.append(
                bigEndian: UInt32(snapshot.shards.lowerBound) << 16
                    | UInt32(snapshot.shards.upperBound))
            for count in snapshot.counts { buffer.append(count) }
        case .usersWanted(let wanted):
            buffer.append(bigEndian: wanted.target)
            buffer.append(bigEndian: wanted.question)
            buffer.append(bigEndian: wanted.project)
            if let after = wanted.after { buffer.append(bigEndian: after) }
        case .users(let users):
            buffer.append(bigEndian: users.target)
            buffer.append(bigEndian: users.question)
            for user in users.users { buffer.append(bigEndian: user) }
        case .goodbye(let goodbye):
            guard goodbye.windowMilliseconds > 0 else { break }
            buffer.append(bigEndian: goodbye.windowMilliseconds)
        case .people(let people):
            buffer.append(bigEndian: people.hash)
            for change in people.changes { buffer.append(change) }
        case .peopleWanted(let wanted):
            buffer.append(bigEndian: wanted.target.node)
            buffer.append(bigEndian: wanted.target.epoch)
            buffer.append(bigEndian: wanted.first)
        case .peoplePart(let part):
            buffer.append(bigEndian: part.target)
            buffer.append(bigEndian: part.first)
            buffer.append(bigEndian: part.end)
            for entry in part.entries { buffer.append(entry) }
        case .typing(let typing):
            for change in typing.changes { buffer.append(change) }
        case .connections(let counts), .sends(let counts):
            for count in counts { buffer.append(count) }
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func append(_ count: ProjectCount) {
        append(bigEndian: count.project)
        append(bigEndian: count.clients)
    }
}
