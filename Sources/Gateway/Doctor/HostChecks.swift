/// The checks of the host: what it is, against what was planned. Each is a function from facts to a
/// finding, and `docs/deployment.md` says what each setting is worth.
package struct HostChecks: Sendable {
    private let facts: HostFacts
    /// Connections of one process, when a number was given.
    private let connectionsMax: Int?
    private let workers: Int

    /// Fewer connections than this for a process, and the limit was probably forgotten.
    static let connectionsWorthwhile = 10_000
    /// Bytes of buffers for a connection that has something waiting: a message or two each way.
    static let bufferBytesPerConnection = 8_192
    /// The kernel's own default since Linux 5.4.
    static let backlogWorthwhile = 4_096
    /// Twice the kernel's defaults for a socket's initial buffers.
    static let receiveBufferBytesUsual = 262_144
    static let sendBufferBytesUsual = 32_768

    package init(_ facts: HostFacts, connectionsMax: Int?, workers: Int) {
        self.facts = facts
        self.connectionsMax = connectionsMax
        self.workers = workers
    }

    package var findings: [Finding] {
        [
            openFiles, filesOfHost, backlog, tcpMemory, socketBuffers, localPorts,
            connectionTracking, ring, processors,
        ]
    }

    /// Connections of all processes, when a number was given; both have their bounds as settings.
    private var planned: Int? {
        connectionsMax.map { $0 * workers }
    }

    /// RLIMIT_NOFILE. The soft limit doesn't matter: it is raised at the start.
    package var openFiles: Finding {
        let subject = "open files"
        guard let limits = facts.descriptors else {
            return .warning(subject, "RLIMIT_NOFILE can't be read", "check ulimit -Hn")
        }
        let reserve = Configuration.descriptorReserve(of: limits.hard)
        let most = Int(clamping: limits.hard - reserve)
        let fact = "limit \(limits.soft), hard limit \(limits.hard)"
        if let connectionsMax, connectionsMax > most {
            let needed = UInt64(connectionsMax) + Configuration.descriptorReserve
            let ceiling = facts.descriptorsPerProcessMax.map { UInt64($0) } ?? .max
            return .failure(
                subject, "\(fact), for \(connectionsMax) connections a process",
                "set LimitNOFILE=\(needed)"
                    + (needed > ceiling ? " and fs.nr_open=\(needed), now \(ceiling)" : ""))
        }
        if connectionsMax == nil, most < Self.connectionsWorthwhile {
            return .warning(
                subject, "\(fact), enough for \(most) connections a process",
                "raise LimitNOFILE= if more are to come")
        }
        return .ok(
            subject,
            "\(fact), enough for \(min(most, Configuration.derivedConnectionsMax)) connections"
                + " a process")
    }

    /// fs.file-max: all processes of the host together.
    package var filesOfHost: Finding {
        let subject = "fs.file-max"
        guard let filesMax = facts.filesMax else { return .ok(subject, "not shown here") }
        guard let planned, planned > filesMax / 10 * 9 else { return .ok(subject, "\(filesMax)") }
        return .failure(
            subject, "\(filesMax), for \(planned) connections",
            "set it to at least \(planned / 9 * 10 + 10)")
    }

    /// Connections that the kernel keeps until they are accepted.
    package var backlog: Finding {
        let subject = "net.core.somaxconn"
        guard let backlogMax = facts.backlogMax else { return .ok(subject, "not shown here") }
        guard backlogMax < Self.backlogWorthwhile else { return .ok(subject, "\(backlogMax)") }
        return .warning(
            subject, "\(backlogMax)",
            "set it to \(Self.backlogWorthwhile) or more, or clients that come back all at once"
                + " wait for retransmissions")
    }

    /// net.ipv4.tcp_mem: beyond the third mark sends and receives fail for everyone.
    package var tcpMemory: Finding {
        let subject = "net.ipv4.tcp_mem"
        guard let pages = facts.tcpPages, pages.count == 3 else {
            return .ok(subject, "not shown here")
        }
        let bytes = pages[2].multipliedReportingOverflow(by: facts.pageBytes)
        let most = bytes.overflow ? Int.max : bytes.partialValue
        let fact = "\(most >> 20) MiB for all sockets' buffers"
        guard let planned, most / planned < Self.bufferBytesPerConnection else {
            return .ok(subject, fact)
        }
        let needed = planned * Self.bufferBytesPerConnection / facts.pageBytes + 1
        return .warning(
            subject, "\(fact), \(most / planned) bytes for each of \(planned) connections",
            "set it to \"\(needed / 2) \(needed / 4 * 3) \(needed)\" if the memory is there")
    }

    /// The buffers that a socket begins with; the kernel lets them grow only for those that use them.
    package var socketBuffers: Finding {
        let subject = "net.ipv4.tcp_rmem, tcp_wmem"
        guard let receive = facts.receiveBufferBytes, let send = facts.sendBufferBytes,
            receive.count == 3, send.count == 3
        else { return .ok(subject, "not shown here") }
        let fact = "\(receive[1]) and \(send[1]) bytes to begin with"
        guard
            receive[1] > Self.receiveBufferBytesUsual || send[1] > Self.sendBufferBytesUsual
        else { return .ok(subject, fact) }
        return .warning(
            subject, fact,
            "the kernel's defaults, 131072 and 16384, are enough for small messages and keep slow"
                + " clients small")
    }

    /// A proxy on this host has so many connections from one of its addresses to one of ours.
    package var localPorts: Finding {
        let subject = "net.ipv4.ip_local_port_range"
        guard let ports = facts.localPorts, ports.count == 2, ports[1] >= ports[0] else {
            return .ok(subject, "not shown here")
        }
        let count = ports[1] - ports[0] + 1
        let fact = "\(ports[0]) to \(ports[1]), \(count) ports"
        guard let planned, planned > count else { return .ok(subject, fact) }
        return .warning(
            subject, "\(fact), for \(planned) connections",
            "if a proxy on this host forwards to the gateway, set \"1024 65535\" and give it several"
                + " addresses to connect to or from")
    }

    /// The packet filter drops connections that its table has no room for.
    package var connectionTracking: Finding {
        let subject = "net.netfilter.nf_conntrack_max"
        guard let most = facts.trackedConnectionsMax else {
            return .ok(subject, "connections aren't tracked")
        }
        let now = facts.trackedConnections ?? 0
        let fact = "\(most), \(now) in use"
        if let planned, planned > most - min(most, now) {
            return .failure(
                subject, "\(fact), for \(planned) connections",
                "set it to at least \(2 * planned), or exempt the gateway's port (notrack)")
        }
        guard now <= most / 5 * 4 else {
            return .warning(
                subject, fact, "set it to twice that, or exempt the gateway's port (notrack)")
        }
        return .ok(subject, fact)
    }

    /// Sends in batches, tried for real.
    package var ring: Finding {
        let subject = "io_uring"
        guard let failure = facts.ringFailure else { return .ok(subject, "can be used") }
        let advice =
            switch facts.ringsDisabled {
            case nil, 0: "use Linux 5.18 or newer, and allow it in the container's seccomp profile,"
            default: "set kernel.io_uring_disabled=0"
            }
        return .warning(
            subject, "can't be used (\(failure)), each client's send is a system call of its own",
            "\(advice) for 10 to 20 % less CPU")
    }

    package var processors: Finding {
        let subject = "processors"
        let fact = "\(facts.processors) for \(workers) worker\(workers == 1 ? "" : "s")"
        guard workers > facts.processors else { return .ok(subject, fact) }
        return .warning(subject, fact, "more --workers than processors only cost memory")
    }
}
