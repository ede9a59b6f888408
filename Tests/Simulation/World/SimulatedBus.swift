internal import Gateway
internal import Reactor

/// What carries frames from each gateway to the others: it delays and loses them, brings some twice, and
/// is cut between some. Those of one for another stay in their order; of two nothing is sure.
struct SimulatedBus {
    struct Frame {
        let bytes: [UInt8]
        let sender: Int
        let epoch: UInt64
        let due: Instant

        /// What kind of frame it is, as `BusFrame` numbers them.
        var kind: UInt8 { bytes[2] }

        static var counts: UInt8 { 1 }
        static var goodbye: UInt8 { 6 }
        static var peoplePart: UInt8 { 9 }
    }

    var weather = Weather()
    private var random: Jitter
    /// By who hears and who has sent.
    private var links: [[[Frame]]]
    private var isCut: [[Bool]]
    /// Whether each has a carrier.
    var isLive: [Bool]

    init(nodes: Int, seed: UInt64) {
        random = Jitter(seed: seed ^ 0xB5)
        links = Array(repeating: Array(repeating: [], count: nodes), count: nodes)
        isCut = Array(repeating: Array(repeating: false, count: nodes), count: nodes)
        isLive = Array(repeating: true, count: nodes)
    }

    mutating func cut(_ one: Int, _ other: Int, _ isCut: Bool) {
        self.isCut[one][other] = isCut
        self.isCut[other][one] = isCut
    }

    mutating func heal() {
        weather = Weather()
        for one in isCut.indices {
            for other in isCut.indices { isCut[one][other] = false }
        }
    }

    /// - Parameter node: of each place the name of its node.
    mutating func carry(
        _ frame: [UInt8], from sender: Int, epoch: UInt64, at now: Instant,
        names: (Int) -> UInt64
    ) {
        let target = BusFrame.target(of: frame.span)
        for hearer in links.indices where hearer != sender {
            guard target == nil || target == names(hearer), isLive[sender], isLive[hearer],
                !isCut[hearer][sender],
                weather.losesOneIn == 0 || !random.once(in: weather.losesOneIn)
            else { continue }
            let copies = weather.repeatsOneIn > 0 && random.once(in: weather.repeatsOneIn) ? 2 : 1
            for _ in 0..<copies { append(frame, from: sender, epoch, to: hearer, now) }
        }
    }

    private mutating func append(
        _ frame: [UInt8], from sender: Int, _ epoch: UInt64, to hearer: Int, _ now: Instant
    ) {
        let delay = UInt64(random.below(weather.millisecondsMax + 1))
        let due = max(
            now.advanced(byMilliseconds: delay), links[hearer][sender].last?.due ?? now)
        links[hearer][sender].append(
            Frame(bytes: frame, sender: sender, epoch: epoch, due: due))
    }

    /// What arrives by now, of whom first by chance.
    mutating func arrivals(at hearer: Int, _ now: Instant) -> [Frame] {
        var frames: [Frame] = []
        let first = random.below(links.count)
        for offset in links.indices {
            let sender = (first + offset) % links.count
            let count = links[hearer][sender].prefix { $0.due <= now }.count
            guard count > 0 else { continue }
            frames += links[hearer][sender].prefix(count)
            links[hearer][sender].removeFirst(count)
        }
        return frames
    }

    /// Whoever was to hear it isn't there any more.
    mutating func forget(_ hearer: Int) {
        for sender in links.indices { links[hearer][sender] = [] }
    }
}
