internal import CEpollShim

/// Takes a server's bytes apart into replies, by hiredis' reader.
///
/// hiredis makes no objects here, it calls functions for what it finds, which note it in one place:
/// nothing is allocated for an array however many elements it says that it has.
@safe
public struct RedisReader: ~Copyable {
    /// What the functions note of the reply that is being read.
    struct Draft {
        var kind = RedisReply.Kind.null
        var integer: Int64 = 0
        var texts: [[UInt8]] = []
    }

    /// Elements of an array, of which a message has three and the answer to ROLE as many as there are
    /// replicas.
    public static let elementsMax = 1_024
    /// Arrays around an element. Some versions of hiredis have a bound of their own, others take some 80 bytes of
    /// memory for each.
    public static let depthMax = 8
    /// Bytes without a reply that is whole. A message of a stranger is skipped if it is shorter.
    public static let pendingBytesMax = 1 << 20

    private let reader: UnsafeMutablePointer<redisReader>
    private let functions: UnsafeMutablePointer<redisReplyObjectFunctions>
    private let draft: UnsafeMutablePointer<Draft>
    private var pendingBytes = 0

    /// `nil` when there is no memory.
    public init?() {
        let functions = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        unsafe functions.initialize(to: Self.noting)
        guard let reader = unsafe redisReaderCreateWithFunctions(functions) else {
            unsafe functions.deallocate()
            return nil
        }
        unsafe self.reader = reader
        unsafe self.functions = functions
        unsafe draft = .allocate(capacity: 1)
        unsafe draft.initialize(to: Draft())
        unsafe reader.pointee.privdata = UnsafeMutableRawPointer(draft)
    }

    deinit {
        unsafe redisReaderFree(reader)
        unsafe functions.deallocate()
        unsafe draft.deinitialize(count: 1)
        unsafe draft.deallocate()
    }

    public mutating func feed(_ bytes: borrowing Span<UInt8>) throws(RedisFault) {
        guard !bytes.isEmpty else { return }
        guard pendingBytes <= Self.pendingBytesMax else { throw .flooded }
        pendingBytes += bytes.count
        let status = unsafe bytes.withUnsafeBytes { bytes in
            unsafe redisReaderFeed(
                reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard status == REDIS_OK else { throw .outOfMemory }
    }

    /// The next reply that is whole; `nil` when none is.
    public mutating func next() throws(RedisFault) -> RedisReply? {
        var object: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(reader, &object) == REDIS_OK else { throw .malformed }
        guard unsafe object != nil else { return nil }
        pendingBytes = 0
        let found = unsafe draft.pointee
        unsafe draft.pointee = Draft()
        return RedisReply(kind: found.kind, integer: found.integer, texts: found.texts)
    }

    // MARK: For hiredis

    /// Stands for every object: not null, and never looked at.
    private static var something: UnsafeMutableRawPointer? {
        unsafe UnsafeMutableRawPointer(bitPattern: 1)
    }

    private static var noting: redisReplyObjectFunctions {
        var functions = redisReplyObjectFunctions()
        unsafe functions.createString = { task, text, count in
            guard let task = unsafe task, let text = unsafe text else { return nil }
            let bytes = unsafe UnsafeRawBufferPointer(start: text, count: count)
            return unsafe RedisReader.note(task) { draft, isRoot in
                if isRoot {
                    draft.kind =
                        switch unsafe task.pointee.type {
                        case REDIS_REPLY_ERROR: .error
                        case REDIS_REPLY_STATUS: .status
                        default: .text
                        }
                }
                unsafe draft.texts.append(Array(bytes))
            }
        }
        unsafe functions.createArray = { task, count in
            guard let task = unsafe task, Int(count) <= RedisReader.elementsMax,
                unsafe RedisReader.depth(of: task) < RedisReader.depthMax
            else { return nil }
            return unsafe RedisReader.note(task) { draft, isRoot in
                if isRoot { draft.kind = .array }
            }
        }
        unsafe functions.createInteger = { task, value in
            guard let task = unsafe task else { return nil }
            return unsafe RedisReader.note(task) { draft, isRoot in
                guard isRoot else { return }
                draft.kind = .integer
                draft.integer = Int64(value)
            }
        }
        unsafe functions.createNil = { task in
            guard let task = unsafe task else { return nil }
            return unsafe RedisReader.note(task) { draft, isRoot in if isRoot { draft.kind = .null }
            }
        }
        unsafe functions.freeObject = { _ in }
        return functions
    }

    /// Arrays around what the task reads, no further than to the bound.
    @unsafe private static func depth(of task: UnsafePointer<redisReadTask>) -> Int {
        var depth = 0
        var parent = unsafe task.pointee.parent
        while let current = unsafe parent, depth < depthMax {
            depth += 1
            unsafe parent = current.pointee.parent
        }
        return depth
    }

    /// Lets `body` note what was found, unless it stands deeper than in an array of the reply.
    @unsafe private static func note(
        _ task: UnsafePointer<redisReadTask>, _ body: (inout Draft, Bool) -> Void
    ) -> UnsafeMutableRawPointer? {
        guard let draft = unsafe task.pointee.privdata?.assumingMemoryBound(to: Draft.self) else {
            return nil
        }
        let parent = unsafe task.pointee.parent
        if let parent = unsafe parent, unsafe parent.pointee.parent != nil {
            return unsafe something
        }
        unsafe body(&draft.pointee, parent == nil)
        return unsafe something
    }
}
