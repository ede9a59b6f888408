import Reactor
import Testing

@Suite struct TimerWheelBehaviour {
    private static func drain(_ wheel: inout TimerWheel, now: UInt32) -> [UInt32] {
        var visited: [UInt32] = []
        while let index = wheel.popDue(now: now) { visited.append(index) }
        return visited
    }

    private static func instant(_ tick: UInt32, plus nanoseconds: UInt64 = 0) -> Instant {
        Instant(nanoseconds: UInt64(tick) * TimerWheel.tickNanoseconds + nanoseconds)
    }

    @Test func `a visit comes at its tick, not before, and once`() {
        var wheel = TimerWheel(capacity: 4, now: 1_000)
        wheel.schedule(2, at: 1_005)
        for now in 1_001..<1_005 as Range<UInt32> {
            #expect(Self.drain(&wheel, now: now) == [])
        }
        #expect(Self.drain(&wheel, now: 1_005) == [2])
        #expect(Self.drain(&wheel, now: 3_000) == [])
        let count = wheel.count
        #expect(count == 0)
    }

    @Test func `a tick that has passed, or is the present one, means the one after the next`() {
        for due: UInt32 in [0, 999, 1_000, 1_001, 1_002] {
            var wheel = TimerWheel(capacity: 1, now: 1_000)
            wheel.schedule(0, at: due)
            #expect(Self.drain(&wheel, now: 1_001) == [])
            #expect(Self.drain(&wheel, now: 1_002) == [0])
        }
    }

    @Test func `the last tick that is asked for counts, and a cancelled one not at all`() {
        var wheel = TimerWheel(capacity: 3, now: 0)
        wheel.schedule(0, at: 10)
        wheel.schedule(0, at: 700)
        wheel.schedule(1, at: 10)
        wheel.cancel(1)
        wheel.cancel(2)
        let scheduled = [wheel.isScheduled(0), wheel.isScheduled(1), wheel.isScheduled(2)]
        #expect(scheduled == [true, false, false])
        #expect(Self.drain(&wheel, now: 699) == [])
        #expect(Self.drain(&wheel, now: 700) == [0])
    }

    @Test func `who asks for a tick that has passed again and again is visited all the same`() {
        var wheel = TimerWheel(capacity: 2, now: 1_000)
        wheel.schedule(0, at: 1_005)
        wheel.schedule(1, at: 1_002)
        var visits: [UInt32] = []
        for now in 1_001..<1_010 as Range<UInt32> {
            // In every tick before the timers run, as a client does that says something in each.
            if visits.isEmpty || now < 1_005 { wheel.schedule(0, at: 1_005) }
            visits += Self.drain(&wheel, now: now).filter { $0 == 0 }
        }
        #expect(visits == [0])
    }

    @Test(arguments: [511, 512, 513, 1_024, 1_025, 5_000] as [UInt32])
    func `a visit further ahead than a round waits for its own round`(ahead: UInt32) {
        var wheel = TimerWheel(capacity: 1, now: 300)
        wheel.schedule(0, at: 300 + ahead)
        var now: UInt32 = 300
        while now < 300 + ahead - 1 {
            now += 1
            #expect(Self.drain(&wheel, now: now) == [])
        }
        #expect(Self.drain(&wheel, now: 300 + ahead) == [0])
    }

    @Test func `after a long stop everything that came due meanwhile is visited once`() {
        var wheel = TimerWheel(capacity: 2_000, now: 0)
        for index in 0..<2_000 as Range<UInt32> { wheel.schedule(index, at: 2 + index) }
        let visited = Self.drain(&wheel, now: 100_000)
        #expect(visited.sorted() == Array(0..<2_000))
    }

    @Test func `one that asks for itself again at once doesn't keep a round from ending`() {
        var wheel = TimerWheel(capacity: 1, now: 0)
        wheel.schedule(0, at: 5)
        var visits = 0
        while let index = wheel.popDue(now: 6), visits < 10 {
            visits += 1
            wheel.schedule(index, at: 0)
        }
        #expect(visits == 2)  // At 5, and at 6, which is due as well.
        // Behind the present by many rounds, it is made up for tick by tick, and ends too.
        while let index = wheel.popDue(now: 1_000), visits < 2_000 {
            visits += 1
            wheel.schedule(index, at: 0)
        }
        #expect(visits < 1_000)
    }

    @Test func `the time until the next visit is that of its tick, rounds away it is less`() {
        var wheel = TimerWheel(capacity: 2, now: 100)
        let none = wheel.nanosecondsUntilNext(now: Self.instant(100))
        #expect(none == nil)
        wheel.schedule(0, at: 150)
        let whole = wheel.nanosecondsUntilNext(now: Self.instant(100))
        #expect(whole == 50 * TimerWheel.tickNanoseconds)
        let rest = wheel.nanosecondsUntilNext(now: Self.instant(149, plus: 1))
        #expect(rest == TimerWheel.tickNanoseconds - 1)
        let overdue = wheel.nanosecondsUntilNext(now: Self.instant(151))
        #expect(overdue == 0)
        wheel.schedule(0, at: 150 + 10 * 512)
        let far = wheel.nanosecondsUntilNext(now: Self.instant(100))
        #expect(far == 50 * TimerWheel.tickNanoseconds)
    }

    @Test func `a deadline of some nanoseconds is never early`() {
        for nanoseconds: UInt64 in [0, 1, 127_999_999, 128_000_000, 10_000_000_000] {
            for start: UInt64 in [0, 1, 127_999_999, 128_000_000, 1 << 40] {
                let now = Instant(nanoseconds: start)
                let tick = TimerWheel.tick(nanoseconds, after: now)
                let due = UInt64(tick) * TimerWheel.tickNanoseconds
                #expect(due > start + nanoseconds)
                #expect(due <= start + nanoseconds + TimerWheel.tickNanoseconds)
            }
        }
    }

    /// When each was asked for, and for which tick.
    private struct Wish {
        var due: UInt32
        var askedAt: UInt32

        /// The tick at which it must have been visited.
        var latest: UInt32 { max(due, askedAt + 2) }
    }

    @Test(arguments: 0..<8)
    func `random scheduling agrees with a dictionary`(run: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of the timer wheel, run \(run): \(seed)")
        var random = Jitter(seed: seed)
        var now = UInt32.random(in: 1...10_000, using: &random)
        var wheel = TimerWheel(capacity: 64, now: now)
        var model: [UInt32: Wish] = [:]

        func ask(_ index: UInt32) {
            let aheadMax: UInt32 = Bool.random(using: &random) ? 5 : 1_500
            let ahead = UInt32.random(in: 0...aheadMax, using: &random)
            let due = Int.random(in: 0..<8, using: &random) == 0 ? now / 2 : now + ahead
            wheel.schedule(index, at: due)
            model[index] = Wish(due: due, askedAt: now)
        }

        for _ in 0..<3_000 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0..<4:
                ask(UInt32.random(in: 0..<64, using: &random))
            case 4:
                let index = UInt32.random(in: 0..<64, using: &random)
                wheel.cancel(index)
                model[index] = nil
            case 5:
                now += UInt32.random(in: 0...900, using: &random)
            default:
                now += UInt32.random(in: 0...2, using: &random)
            }
            // Some turns stop early; those who are visited may ask for themselves again.
            let isPartial = Bool.random(using: &random)
            var budget = isPartial ? Int.random(in: 0...3, using: &random) : Int.max
            var isDrained = false
            while budget > 0 {
                guard let index = wheel.popDue(now: now) else {
                    isDrained = true
                    break
                }
                budget -= 1
                guard let wish = model.removeValue(forKey: index) else {
                    Issue.record("\(index) was visited without a wish")
                    return
                }
                #expect(wish.due <= now)
                if Int.random(in: 0..<3, using: &random) == 0 { ask(index) }
            }
            let count = wheel.count
            #expect(count == model.count)
            guard isDrained else { continue }
            #expect(!model.values.contains { $0.latest <= now })
            let next = wheel.nanosecondsUntilNext(now: Self.instant(now))
            guard let nearest = model.values.map(\.latest).min() else {
                #expect(next == nil)
                continue
            }
            #expect((next ?? .max) <= UInt64(nearest - now) * TimerWheel.tickNanoseconds)
        }
    }
}
