internal import CEpollShim

/// What the kernel knows of this process: the figures that Prometheus clients report of
/// themselves. Figures that the kernel doesn't give are `nil`.
public struct ProcessFigures: Equatable, Sendable {
    /// User and system time of all threads since the start.
    public var cpuNanoseconds: UInt64
    /// Memory that is in RAM.
    public var residentBytes: UInt64?
    public var virtualBytes: UInt64?
    /// `nil` also when counting them would hold the loop up (see `descriptorsCountedMax`).
    public var openDescriptors: UInt64?
    public var openDescriptorsMax: UInt64?
    /// When the process started, in microseconds since 1970.
    public var startMicroseconds: Int64?

    /// Before Linux 6.2 descriptors can only be counted by listing them, at one to two
    /// microseconds each. Above this many, the figure is left out rather than the loop delayed.
    public static let descriptorsCountedMax = 2_048

    public init(
        cpuNanoseconds: UInt64, residentBytes: UInt64?, virtualBytes: UInt64?,
        openDescriptors: UInt64?, openDescriptorsMax: UInt64?, startMicroseconds: Int64?
    ) {
        self.cpuNanoseconds = cpuNanoseconds
        self.residentBytes = residentBytes
        self.virtualBytes = virtualBytes
        self.openDescriptors = openDescriptors
        self.openDescriptorsMax = openDescriptorsMax
        self.startMicroseconds = startMicroseconds
    }

    /// Reads them all, from memory of the kernel: tens of microseconds.
    public static func current() -> ProcessFigures {
        let pages = memoryPages()
        let pageBytes = UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
        var limit: UInt64?
        do throws(Errno) {
            limit = try DescriptorLimit.current().soft
        } catch {
            limit = nil  // Not known, so not reported.
        }
        return ProcessFigures(
            cpuNanoseconds: clock(CLOCK_PROCESS_CPUTIME_ID),
            residentBytes: pages.map { $0.resident * pageBytes },
            virtualBytes: pages.map { $0.total * pageBytes },
            openDescriptors: openDescriptorCount(),
            openDescriptorsMax: limit,
            startMicroseconds: startMicroseconds())
    }

    private static func clock(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        let status = unsafe clock_gettime(clock, &time)
        precondition(status == 0)  // Only a clock that doesn't exist fails.
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// proc_pid_statm(5): the first field is the size of the address space, the second what of
    /// it is resident.
    private static func memoryPages() -> (total: UInt64, resident: UInt64)? {
        guard let text = text(path: "/proc/self/statm") else { return nil }
        let fields = text.split(separator: " ")
        guard fields.count > 1, let total = UInt64(fields[0]), let resident = UInt64(fields[1])
        else { return nil }
        return (total, resident)
    }

    /// Since Linux 6.2 the size of this folder is the number of descriptors; before, it is 0.
    private static func openDescriptorCount() -> UInt64? {
        let size = unsafe ces_stat_size("/proc/self/fd")
        return size > 0 ? UInt64(size) : listedDescriptorCount()
    }

    private static func listedDescriptorCount() -> UInt64? {
        guard let folder = unsafe opendir("/proc/self/fd") else { return nil }
        defer { _ = unsafe closedir(folder) }
        var count = -3  // ".", "..", and the descriptor that this very listing uses.
        while unsafe readdir(folder) != nil {
            count += 1
            guard count <= descriptorsCountedMax else { return nil }
        }
        return count >= 0 ? UInt64(count) : nil
    }

    /// proc_pid_stat(5): field 22 is the start in clock ticks after boot. The name in field 2 may
    /// hold spaces and parentheses, so the fields are counted from the last one on.
    private static func startMicroseconds() -> Int64? {
        guard let text = text(path: "/proc/self/stat"),
            let nameEnd = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: nameEnd)...].split(separator: " ")
        let ticksPerSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
        guard fields.count > 19, let ticks = Int64(fields[19]), ticksPerSecond > 0 else {
            return nil
        }
        let sinceBoot = ticks * 1_000_000 / ticksPerSecond
        let now = Int64(clock(CLOCK_BOOTTIME) / 1_000)
        return Clock.wallMicroseconds() - (now - sinceBoot)
    }

    private static func text(path: String) -> String? {
        do throws(SecretFile.Failure) {
            return String(decoding: try SecretFile.read(path: path), as: UTF8.self)
        } catch {
            return nil  // No /proc here: the figure isn't known.
        }
    }
}
