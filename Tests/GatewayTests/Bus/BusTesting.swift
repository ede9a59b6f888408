import Gateway
import Reactor

/// What the tests of the bus have in common.
enum BusTesting {
    static let start = Instant(nanoseconds: 1_000_000_000_000)

    /// A process of a host of its own.
    static func identity(_ number: UInt64) -> BusIdentity {
        BusIdentity(node: number << 8, epoch: number)
    }

    static func project(_ number: UInt64) -> ProjectID { ProjectID(high: 7, low: number) }

    static func bytes(of frame: BusFrame) -> [UInt8] {
        var buffer = ByteBuffer()
        frame.write(into: &buffer)
        return buffer.copy()
    }

    static func read(_ bytes: [UInt8]) -> Result<BusFrame, BusFrameFault> {
        do throws(BusFrameFault) {
            return .success(try BusFrame(bytes.span))
        } catch {
            return .failure(error)
        }
    }
}

extension Instant {
    static func at(milliseconds: UInt64) -> Instant {
        BusTesting.start.advanced(byMilliseconds: milliseconds)
    }
}

extension Bus {
    /// Everything that waits, as the carrier would take it.
    mutating func takeFrames() -> [[UInt8]] {
        var frames: [[UInt8]] = []
        while true {
            let taken = waiting.removeFirst { bytes in
                frames.append(bytes.indices.map { bytes[$0] })
                return true
            }
            guard let taken else { return frames }
            sent(taken)
        }
    }
}
