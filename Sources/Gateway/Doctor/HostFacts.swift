internal import Reactor

/// What the doctor reads of the host. A figure that this kernel, or this container, doesn't show is
/// `nil`.
package struct HostFacts: Equatable, Sendable {
    package var descriptors: DescriptorLimits?
    /// fs.nr_open: how far RLIMIT_NOFILE can be raised.
    package var descriptorsPerProcessMax: Int?
    /// fs.file-max: open files of the whole host.
    package var filesMax: Int?
    /// net.core.somaxconn
    package var backlogMax: Int?
    /// net.ipv4.tcp_mem: low, pressure and high mark of all sockets' buffers, in pages.
    package var tcpPages: [Int]?
    package var pageBytes = 4_096
    /// net.ipv4.tcp_rmem and tcp_wmem: least, initial and largest buffer of a socket, in bytes.
    package var receiveBufferBytes: [Int]?
    package var sendBufferBytes: [Int]?
    /// net.ipv4.ip_local_port_range: first and last.
    package var localPorts: [Int]?
    /// The connections that the packet filter follows; `nil` when it follows none.
    package var trackedConnections: Int?
    package var trackedConnectionsMax: Int?
    /// kernel.io_uring_disabled
    package var ringsDisabled: Int?
    /// Why setting up io_uring failed; `nil` when it worked.
    package var ringFailure: String?
    package var processors = 1

    package init() {}

    /// RLIMIT_NOFILE.
    package struct DescriptorLimits: Equatable, Sendable {
        package let soft: UInt64
        package let hard: UInt64

        package init(soft: UInt64, hard: UInt64) {
            self.soft = soft
            self.hard = hard
        }
    }

    /// Reads them from the kernel.
    package static func read() -> HostFacts {
        var facts = HostFacts()
        do throws(Errno) {
            let limit = try DescriptorLimit.current()
            facts.descriptors = DescriptorLimits(soft: limit.soft, hard: limit.hard)
        } catch {
            facts.descriptors = nil  // Not known, and reported so.
        }
        facts.descriptorsPerProcessMax = number("fs/nr_open")
        facts.filesMax = number("fs/file-max")
        facts.backlogMax = number("net/core/somaxconn")
        facts.tcpPages = numbers("net/ipv4/tcp_mem", count: 3)
        facts.pageBytes = HostFigures.pageBytes
        facts.receiveBufferBytes = numbers("net/ipv4/tcp_rmem", count: 3)
        facts.sendBufferBytes = numbers("net/ipv4/tcp_wmem", count: 3)
        facts.localPorts = numbers("net/ipv4/ip_local_port_range", count: 2)
        facts.trackedConnections = number("net/netfilter/nf_conntrack_count")
        facts.trackedConnectionsMax = number("net/netfilter/nf_conntrack_max")
        facts.ringsDisabled = number("kernel/io_uring_disabled")
        facts.ringFailure = HostFigures.ringFailure?.description
        facts.processors = HostFigures.processorCount
        return facts
    }

    private static func number(_ name: String) -> Int? {
        numbers(name, count: 1)?.first
    }

    /// The numbers of a sysctl, when there are so many of them.
    private static func numbers(_ name: String, count: Int) -> [Int]? {
        do throws(FileFailure) {
            return numbers(
                in: try FileContents.text(at: "/proc/sys/" + name, bytesMax: 4_096), count: count)
        } catch {
            return nil  // This kernel hasn't it, or doesn't show it here.
        }
    }

    package static func numbers(in text: String, count: Int) -> [Int]? {
        let words = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }
        // Some limits are 2⁶⁴−1 for "none".
        let numbers = words.compactMap { UInt64($0) }.map { Int(clamping: $0) }
        return numbers.count == words.count && numbers.count == count ? numbers : nil
    }
}
