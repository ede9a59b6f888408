internal import CEpollShim
internal import Reactor

/// The processes that the conductor has started, and what they say.
struct Team: ~Copyable {
    private(set) var channels: [RecordChannel] = []
    private var processes: [pid_t] = []
    private var poller: Poller
    private var heard: [Message] = []

    struct Message {
        /// Which process.
        let member: Int
        let record: Record
    }

    init() throws(Errno) {
        poller = try Poller()
    }

    /// A copy of this program with other arguments. Returns its place in the team.
    mutating func start(_ arguments: [String]) throws(Errno) -> Int {
        let (own, theirs) = try RecordChannel.makePair()
        defer { _ = close(theirs) }
        let member = channels.count
        channels.append(RecordChannel(descriptor: own))
        processes.append(try Self.spawn(arguments, channel: theirs))
        try poller.add(
            own, handle: Handle(kind: 0, index: UInt32(member), generation: 0), interest: .read)
        return member
    }

    var count: Int { channels.count }

    func send(_ record: Record, to member: Int) {
        channels[member].send(record)
    }

    func broadcast(_ record: Record) {
        for channel in channels { channel.send(record) }
    }

    /// The next thing that anybody says; `nil` after `nanoseconds` of silence.
    mutating func next(within nanoseconds: UInt64) throws -> Message? {
        if heard.isEmpty { try listen(nanoseconds) }
        return heard.isEmpty ? nil : heard.removeFirst()
    }

    private mutating func listen(_ nanoseconds: UInt64) throws {
        let count = try poller.wait(nanoseconds: nanoseconds)
        for position in 0..<count {
            let member = Int(poller.handle(at: position).index)
            reading: while true {
                switch channels[member].receive(waiting: false) {
                case .record(let record): heard.append(Message(member: member, record: record))
                case .nothing: break reading
                case .closed: throw Failure("a process of the load generator has ended")
                }
            }
        }
    }

    /// Lets all of them end, and waits for it.
    mutating func dismiss() {
        for channel in channels { _ = close(channel.descriptor) }
        for process in processes { _ = waitpid(process, nil, 0) }
        channels = []
        processes = []
    }

    private static func spawn(_ arguments: [String], channel: Int32) throws(Errno) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(
            &actions, channel, RecordChannel.childDescriptor)
        let words = ["load-generator"] + arguments
        var texts = unsafe words.map { unsafe strdup($0) }
        unsafe texts.append(nil)
        defer { for index in unsafe texts.indices { unsafe free(texts[index]) } }
        var process: pid_t = 0
        let status = unsafe posix_spawn(
            &process, "/proc/self/exe", &actions, nil, texts, ces_environ())
        guard status == 0 else { throw Errno(code: status) }
        return process
    }
}

/// Why there is no figure.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
