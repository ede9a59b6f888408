internal import CEpollShim

/// io_uring as a batcher of sends (io_uring(7)): many sends for one entry into the kernel.
///
/// `MSG_DONTWAIT` makes every send complete at once, so nothing is in flight when `send` returns:
/// as many completions are taken as entries were submitted. With `MSG_WAITALL` a send that the
/// socket takes in parts says how much it took. Plain descriptors, no kernel thread, no completion
/// skipping and no zero copy: each was measured and gained nothing here.
@safe
struct SendRing: ~Copyable {
    /// The ring's own structure, which liburing wants at a fixed place.
    private let ring: UnsafeMutablePointer<io_uring>
    private let capacity: Int

    /// Makes the next `send` stop after so many entries, as a kernel short of memory would; for
    /// tests.
    var faultAfter: Int?

    /// Fails where the kernel has no io_uring, or forbids it (ENOSYS, EPERM), or lacks
    /// `IORING_SETUP_SUBMIT_ALL` (EINVAL before Linux 5.18).
    static func open(capacity: Int) throws(Errno) -> SendRing {
        let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
        unsafe ring.initialize(to: io_uring())
        var parameters = io_uring_params()
        // Without it, one send that fails at once would end the submission of those behind it.
        parameters.flags = UInt32(IORING_SETUP_SUBMIT_ALL)
        let status = unsafe io_uring_queue_init_params(UInt32(capacity), ring, &parameters)
        guard status == 0 else {
            unsafe ring.deallocate()
            throw Errno(code: -status)
        }
        return unsafe SendRing(ring: ring, capacity: capacity)
    }

    private init(ring: UnsafeMutablePointer<io_uring>, capacity: Int) {
        unsafe self.ring = ring
        self.capacity = capacity
    }

    deinit {
        unsafe io_uring_queue_exit(ring)
        unsafe ring.deallocate()
    }

    // Hot path.
    /// Sends the first `count` entries, each to a socket of its own, and notes their results.
    /// Returns how many were sent: fewer than `count` when the kernel couldn't take them all. The
    /// entries behind are untouched, and nothing of them stays in the ring.
    @unsafe mutating func send(_ entries: UnsafeMutablePointer<SendEntry>, count: Int) -> Int {
        precondition(count <= capacity)
        let wanted = min(count, faultAfter ?? count)
        unsafe prepare(entries, 0..<wanted)
        let submitted = wanted == 0 ? 0 : max(0, submit(waitingFor: wanted))
        if wanted < count { unsafe prepare(entries, wanted..<count) }
        unsafe takeCompletions(entries, count: submitted)
        if submitted < count { withdrawPrepared() }
        faultAfter = nil
        return submitted
    }

    // Hot path.
    @unsafe private func prepare(
        _ entries: UnsafeMutablePointer<SendEntry>, _ range: Range<Int>
    ) {
        let flags = ces_MSG_DONTWAIT | ces_MSG_NOSIGNAL | ces_MSG_WAITALL
        for index in range {
            // The ring has room for a whole batch and is empty between batches.
            guard let request = unsafe io_uring_get_sqe(ring) else { preconditionFailure() }
            unsafe io_uring_prep_send(
                request, entries[index].descriptor, entries[index].bytes, entries[index].count,
                flags)
            unsafe request.pointee.user_data = UInt64(index)
        }
    }

    /// One io_uring_enter(2). Returns how many entries the kernel took, or a negated errno.
    private func submit(waitingFor count: Int) -> Int {
        while true {
            let taken = unsafe io_uring_submit_and_wait(ring, UInt32(count))
            if taken != -EINTR { return Int(taken) }
        }
    }

    // Hot path.
    @unsafe private func takeCompletions(
        _ entries: UnsafeMutablePointer<SendEntry>, count: Int
    ) {
        var taken = 0
        while taken < count {
            var completion: UnsafeMutablePointer<io_uring_cqe>?
            let status = unsafe io_uring_wait_cqe(ring, &completion)
            if status == -EINTR { continue }
            // Every submitted entry has its completion, and the ring holds twice as many.
            guard status == 0, let completion = unsafe completion else {
                preconditionFailure("a completion of io_uring is missing: \(status)")
            }
            let index = unsafe Int(completion.pointee.user_data)
            precondition(index < capacity)
            unsafe entries[index].result = Int(completion.pointee.res)
            unsafe io_uring_cqe_seen(ring, completion)
            taken += 1
        }
    }

    /// Takes back what was prepared and not taken by the kernel, which looks at the queue only
    /// while we are in io_uring_enter(2).
    private func withdrawPrepared() {
        guard let head = unsafe ring.pointee.sq.khead, let tail = unsafe ring.pointee.sq.ktail
        else { preconditionFailure() }
        let first = unsafe head.pointee
        unsafe tail.pointee = first
        unsafe ring.pointee.sq.sqe_head = first
        unsafe ring.pointee.sq.sqe_tail = first
    }
}
