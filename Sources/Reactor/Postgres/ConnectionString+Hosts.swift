internal import CEpollShim

extension ConnectionString {
    /// One place to connect to. Empty texts mean libpq's default.
    struct Host: Equatable, Sendable {
        /// A name, an address, a directory (`/…`) or an abstract socket (`@…`).
        var name: String
        /// What `hostaddr` gives for it.
        var address: String
        var port: String

        /// libpq would call getaddrinfo(3) for it, which blocks.
        var needsResolution: Bool {
            guard address.isEmpty, let first = name.utf8.first else { return false }
            if first == UInt8(ascii: "/") || first == UInt8(ascii: "@") { return false }
            return !isAddressLiteral(name)
        }
    }

    /// The places in the order in which libpq tries them. Lists whose lengths don't fit together
    /// are filled up with empty texts here; `parameters` leaves it to libpq to complain.
    var hosts: [Host] {
        let names = list("host"), addresses = list("hostaddr"), ports = list("port")
        let count = max(1, names.count, addresses.count)
        return (0..<count).map { index in
            let port = ports.count == 1 ? ports[0] : ports.element(index)
            return Host(name: names.element(index), address: addresses.element(index), port: port)
        }
    }

    /// The parameters for a connection, with addresses in the place of names.
    ///
    /// A name of several addresses becomes several hosts; a name without any is left out. `nil`
    /// when nothing is left. `attempt` turns the list, so that a host that answers nothing, which
    /// takes the whole deadline, isn't the first one for ever.
    ///
    /// The host's name stays in the list beside its address: TLS checks the certificate against it.
    public func parameters(resolved: [ResolvedHost], attempt: Int = 0) -> ConnectionParameters? {
        if !hosts.contains(where: \.needsResolution) && hosts.count == 1 {
            return ConnectionParameters(options: options)
        }
        let names = list("host"), addresses = list("hostaddr"), ports = list("port")
        let fitting =
            (addresses.isEmpty || names.isEmpty || addresses.count == names.count)
            && (ports.count <= 1 || ports.count == max(names.count, addresses.count))
        guard fitting else { return ConnectionParameters(options: options) }

        var places: [Host] = []
        for host in hosts {
            guard host.needsResolution else {
                places.append(host)
                continue
            }
            let found = resolved.first { $0.name == host.name }?.addresses ?? []
            places += found.map { Host(name: host.name, address: $0, port: host.port) }
        }
        guard !places.isEmpty else { return nil }
        let first = attempt % places.count
        places = Array(places[first...] + places[..<first])

        let replaced = options.filter { !["host", "hostaddr", "port"].contains($0.keyword) }
        func option(_ keyword: String, _ field: KeyPath<Host, String>) -> Option {
            Option(keyword, places.map { $0[keyPath: field] }.joined(separator: ","))
        }
        return ConnectionParameters(
            options: replaced + [
                option("host", \.name), option("hostaddr", \.address), option("port", \.port),
            ])
    }

    private func list(_ keyword: String) -> [String] {
        guard let value = value(of: keyword), !value.isEmpty else { return [] }
        return value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
}

extension [String] {
    fileprivate func element(_ index: Int) -> String {
        index < count ? self[index] : ""
    }
}

/// Whether getaddrinfo(3) reads the text as an address without asking anybody.
private func isAddressLiteral(_ text: String) -> Bool {
    var hints = unsafe addrinfo()
    unsafe hints.ai_flags = AI_NUMERICHOST
    var found: UnsafeMutablePointer<addrinfo>?
    let status = unsafe text.withCString { unsafe getaddrinfo($0, nil, &hints, &found) }
    if let found = unsafe found { unsafe freeaddrinfo(found) }
    return status == 0
}
