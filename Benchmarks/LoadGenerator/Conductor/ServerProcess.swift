internal import Reactor

/// The server under test as the kernel sees it: a process and its descendants.
struct ServerProcess {
    let root: Int

    /// The process and everything that descends from it, as of now.
    private var processes: [Int] {
        var children: [Int: [Int]] = [:]
        for name in Self.names(at: "/proc") {
            guard let process = Int(name), let parent = Self.parent(of: process) else { continue }
            children[parent, default: []].append(process)
        }
        var found = [root]
        var index = 0
        while index < found.count {
            found += children[found[index]] ?? []
            index += 1
        }
        return found
    }

    var isAlive: Bool { Self.parent(of: root) != nil }

    /// CPU time of all threads, in nanoseconds (proc(5), schedstat: exact, where stat counts clock
    /// ticks).
    var cpuNanoseconds: UInt64 {
        var sum: UInt64 = 0
        for process in processes {
            for thread in Self.names(at: "/proc/\(process)/task") {
                let text = Self.text(at: "/proc/\(process)/task/\(thread)/schedstat")
                sum += text?.split(separator: " ").first.flatMap { UInt64($0) } ?? 0
            }
        }
        return sum
    }

    /// Memory in RAM, in bytes (proc(5), smaps_rollup: exact, where statm lags behind).
    var residentBytes: UInt64 {
        processes.reduce(0) { $0 + Self.residentBytes(of: $1) }
    }

    private static func residentBytes(of process: Int) -> UInt64 {
        let places = [("smaps_rollup", "Rss:"), ("status", "VmRSS:")]
        for (file, key) in places {
            guard let text = text(at: "/proc/\(process)/\(file)") else { continue }
            for line in text.split(separator: "\n") where line.hasPrefix(key) {
                let fields = line.split(separator: " ")
                if fields.count > 1, let kilobytes = UInt64(fields[1]) { return kilobytes * 1_024 }
            }
        }
        return 0
    }

    /// proc_pid_stat(5): the second field after the name, which may hold anything.
    private static func parent(of process: Int) -> Int? {
        guard let text = text(at: "/proc/\(process)/stat"), let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 1 && fields[0] != "Z" ? Int(fields[1]) : nil
    }

    private static func names(at path: String) -> [String] {
        do throws(FileFailure) {
            return try Directory.names(at: path, endingIn: "", max: 1 << 16)
        } catch {
            return []  // A process that has ended meanwhile.
        }
    }

    private static func text(at path: String) -> String? {
        do throws(FileFailure) {
            return try FileContents.text(at: path, bytesMax: 1 << 20)
        } catch {
            return nil  // The same.
        }
    }
}

/// How busy the processors were that this process may use (proc(5), /proc/stat).
struct CoreTimes {
    let idle: UInt64
    let total: UInt64

    /// Over all processors in `cores`.
    init(cores: [Int]) {
        var idle: UInt64 = 0
        var total: UInt64 = 0
        let text: String
        do throws(FileFailure) {
            text = try FileContents.text(at: "/proc/stat", bytesMax: 1 << 20)
        } catch {
            text = ""
        }
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let name = fields.first, cores.contains(where: { name == "cpu\($0)" })
            else { continue }
            let times = fields.dropFirst().prefix(8).map { UInt64($0) ?? 0 }
            total += times.reduce(0, +)
            idle += times.count > 4 ? times[3] + times[4] : 0
        }
        self.idle = idle
        self.total = total
    }

    /// The share of the time since `earlier` in which they worked.
    func busyShare(since earlier: CoreTimes) -> Double {
        guard total > earlier.total else { return 0 }
        return 1 - Double(idle - earlier.idle) / Double(total - earlier.total)
    }

    /// The processors that this process is bound to (proc(5), Cpus_allowed_list).
    static func allowedCores() -> [Int] {
        let text: String
        do throws(FileFailure) {
            text = try FileContents.text(at: "/proc/self/status", bytesMax: 1 << 16)
        } catch {
            return []
        }
        for line in text.split(separator: "\n") where line.hasPrefix("Cpus_allowed_list:") {
            return line.split(separator: "\t").last.map { parse(list: $0) } ?? []
        }
        return []
    }

    /// Such as `0-1,4`.
    private static func parse(list: Substring) -> [Int] {
        list.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last else { return [] }
            return Array(first...last)
        }
    }
}
