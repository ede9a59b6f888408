import Gateway
import Reactor
import Testing

@Suite struct WorkerLifecycleBehaviour {
    private static let second: UInt64 = 1_000_000_000
    private static let start = Instant(nanoseconds: 100 * second)

    @Test func `a new worker is to be started at once`() {
        let worker = WorkerLifecycle(now: Self.start)
        #expect(worker.startDeadline == Self.start)
        #expect(!worker.hasProcess && !worker.isRunning)
    }

    @Test func `a worker runs from its first answer on`() {
        var worker = WorkerLifecycle(now: Self.start)
        worker.started(at: Self.start)
        #expect(worker.hasProcess && !worker.isRunning && worker.startDeadline == nil)
        let first = worker.answered(at: Self.start)
        let second = worker.answered(at: Self.start)
        #expect(first && !second)
        #expect(worker.hasProcess && worker.isRunning)
    }

    @Test func `restarts wait between 0.1 s and a ceiling that doubles to 5 s`() {
        for (randomness, expected) in [
            (UInt64.min, [100, 100, 100, 100, 100, 100, 100]),
            (UInt64.max, [199, 399, 799, 1_599, 3_199, 4_999, 4_999]),
        ] {
            var worker = WorkerLifecycle(now: Self.start)
            var now = Self.start
            var delays: [UInt64] = []
            for _ in 0..<7 {
                worker.started(at: now)
                _ = worker.answered(at: now)
                now = now.advanced(byNanoseconds: Self.second)
                let delay = worker.ended(at: now, randomness: randomness)
                #expect(worker.startDeadline == now.advanced(byNanoseconds: delay))
                #expect(!worker.hasProcess)
                delays.append(delay / 1_000_000)
                now = now.advanced(byNanoseconds: delay)
            }
            #expect(delays == expected.map(UInt64.init))
        }
    }

    @Test(arguments: [(-1, 399), (0, 199), (1, 199)])
    func `a worker that was well for 10 s begins again at the short end`(
        offset: Int64, milliseconds: UInt64
    ) {
        var worker = WorkerLifecycle(now: Self.start)
        worker.started(at: Self.start)
        _ = worker.ended(at: Self.start, randomness: .max)
        worker.started(at: Self.start)
        _ = worker.answered(at: Self.start)
        let lifetime = UInt64(Int64(WorkerLifecycle.steadyNanoseconds) + offset)
        let end = Self.start.advanced(byNanoseconds: lifetime)
        let delay = worker.ended(at: end, randomness: .max)
        #expect(delay / 1_000_000 == milliseconds)
    }

    @Test func `one that never answered wasn't well, however long it took`() {
        var worker = WorkerLifecycle(now: Self.start)
        worker.started(at: Self.start)
        _ = worker.ended(at: Self.start, randomness: .max)
        worker.started(at: Self.start)
        let end = Self.start.advanced(byNanoseconds: 3_600 * Self.second)
        let delay = worker.ended(at: end, randomness: .max)
        #expect(delay / 1_000_000 == 399)
    }

    @Test func `after the end nothing is started`() {
        var worker = WorkerLifecycle(now: Self.start)
        worker.finish()
        #expect(worker.startDeadline == nil && !worker.hasProcess)
    }
}
