package import Reactor

/// Who waits for a read of the event log, and what is said at its end.
package struct ReadWaiter: BitwiseCopyable {
    package let client: Handle
    /// From where this client wants to resume.
    package let since: Cursor
    /// From where is read for it: see `Core.resume`.
    package let from: Cursor
    package let answer: SubscriptionAnswer
    /// By when it is answered, if only with a resync.
    package let deadline: Instant
    /// Whether it was subscribed when it asked: then what comes meanwhile reaches it as everyone.
    package let isSubscribed: Bool
    /// Whether a removal was announced that may concern it, since its membership was checked: it
    /// must not get what the read brings.
    package var isUnverified: Bool

    package init(
        client: Handle, since: Cursor, from: Cursor, answer: SubscriptionAnswer, deadline: Instant,
        isSubscribed: Bool, isUnverified: Bool
    ) {
        self.client = client
        self.since = since
        self.from = from
        self.answer = answer
        self.deadline = deadline
        self.isSubscribed = isSubscribed
        self.isUnverified = isUnverified
    }
}

/// How a client is told that its subscription stands.
package enum SubscriptionAnswer: BitwiseCopyable {
    /// Not at all: its URL asked for it.
    case silence
    /// `ok`, if there is a reference.
    case confirmation(Reference)
    /// `ready`, and `ok` if there is a reference.
    case ready(Reference)
}

/// One read of the event log for one project.
package struct ProjectRead {
    package let project: ProjectID
    /// The lowest cursor of those who wait.
    package var since: Cursor
    /// The list of the clients that are subscribed when it is answered (`WaiterLists`).
    package let waiters: UInt32
    /// Whether the project's present audience, which the gateway's own loss of the database kept
    /// from hearing, gets it too.
    package var isForAudience = false

    /// The statement that it is part of; `nil` while it waits to be asked.
    package var statement: UInt64?
    /// Events of the project since it was asked, as frames: the read may or may not have them.
    package var frames: [UInt8] = []
    package var frameCount = 0
    /// Whether there were too many to keep.
    package var isOverflown = false
    /// What it has found; `nil` as long as it isn't answered. From then on those who wait get it, some
    /// in each turn, and events go on being kept for those who are left.
    package var answer: ReadAnswer?

    init(project: ProjectID, since: Cursor, waiters: UInt32) {
        self.project = project
        self.since = since
        self.waiters = waiters
    }

    /// Forgets that it was asked: its answer is lost, or was made before a gap in what is heard.
    mutating func unask() {
        statement = nil
        answer = nil
        frames = []
        frameCount = 0
        isOverflown = false
    }

    /// Keeps what `frame` holds, within bounds.
    mutating func keep(_ frame: borrowing ByteBuffer) {
        guard frameCount < Limits.segmentFramesMax,
            frames.count + frame.count <= Limits.segmentBytesMax
        else {
            isOverflown = true
            frames = []
            return
        }
        frames.append(contentsOf: frame.copy())
        frameCount += 1
    }
}
