internal import CEpollShim

/// Where all sessions of one loop get their ciphertext from and leave it: OpenSSL's idea of a
/// transport (BIO(7)), in memory.
///
/// There is one for all, because one session acts at a time: what was received for it is read to
/// the end before another's turn comes, and what it wrote is sent or kept before that as well. A BIO
/// for each session would cost memory for nothing. In a broadcast the records of many stand here
/// one behind the other, and leave in one batch.
@safe
struct TLSWire: ~Copyable {
    /// What the C callbacks see.
    @unsafe struct State: BitwiseCopyable {
        let input: UnsafeMutablePointer<UInt8>
        let inputCapacity: Int
        var inputCount = 0
        var inputPosition = 0
        let output: UnsafeMutablePointer<UInt8>
        let outputCapacity: Int
        var outputCount = 0
    }

    let state: UnsafeMutablePointer<State>
    let bio: OpaquePointer
    private let method: OpaquePointer

    init(inputCapacity: Int, outputCapacity: Int) throws(TLSSetupFailure) {
        guard let method = unsafe Self.makeMethod(), let bio = unsafe BIO_new(method) else {
            throw .taken("a transport for TLS")
        }
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(
            to: State(
                input: .allocate(capacity: inputCapacity), inputCapacity: inputCapacity,
                output: .allocate(capacity: outputCapacity), outputCapacity: outputCapacity))
        unsafe BIO_set_data(bio, state)
        unsafe BIO_set_init(bio, 1)
        unsafe self.method = method
        unsafe self.bio = bio
    }

    /// The sessions must be gone by now.
    deinit {
        unsafe BIO_free(bio)
        unsafe BIO_meth_free(method)
        unsafe state.pointee.input.deallocate()
        unsafe state.pointee.output.deallocate()
        unsafe state.deallocate()
    }

    // MARK: For OpenSSL

    private static func makeMethod() -> OpaquePointer? {
        guard let method = unsafe BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire")
        else { return nil }
        unsafe BIO_meth_set_read_ex(method, read)
        unsafe BIO_meth_set_write_ex(method, write)
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in
            // What was written needs no flush, and OpenSSL asks for one; it asks for nothing else.
            command == BIO_CTRL_FLUSH ? 1 : 0
        }
        return unsafe method
    }

    // Hot path.
    private static let read:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutablePointer<Int>?
        ) -> Int32 = { bio, target, capacity, count in
            guard let target = unsafe target, let count = unsafe count,
                let state = unsafe BIO_get_data(bio)?.assumingMemoryBound(to: State.self)
            else { return 0 }
            unsafe BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
            let position = unsafe state.pointee.inputPosition
            let taken = unsafe min(capacity, state.pointee.inputCount - position)
            guard taken > 0 else {
                unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
                return 0
            }
            unsafe UnsafeMutableRawPointer(target).copyMemory(
                from: state.pointee.input + position, byteCount: taken)
            unsafe state.pointee.inputPosition = position + taken
            unsafe count.pointee = taken
            return 1
        }

    // Hot path.
    private static let write:
        @convention(c) (
            OpaquePointer?, UnsafePointer<CChar>?, Int, UnsafeMutablePointer<Int>?
        ) -> Int32 = { bio, source, size, count in
            guard let source = unsafe source, let count = unsafe count,
                let state = unsafe BIO_get_data(bio)?.assumingMemoryBound(to: State.self)
            else { return 0 }
            unsafe BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
            let end = unsafe state.pointee.outputCount
            // Whoever lets a session write has seen to it that there is room; a session that
            // answers a flood and fills all of it fails.
            guard unsafe size <= state.pointee.outputCapacity - end else { return 0 }
            unsafe UnsafeMutableRawPointer(state.pointee.output + end).copyMemory(
                from: source, byteCount: size)
            unsafe state.pointee.outputCount = end + size
            unsafe count.pointee = size
            return 1
        }
}
