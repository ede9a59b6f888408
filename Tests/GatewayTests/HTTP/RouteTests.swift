import Gateway
import Testing

@Suite struct RouteBehaviour {
    private func route(_ method: String, _ target: String, on listener: ListenerRole) -> Route {
        let request = ParsedRequest("\(method) \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
        return Route(of: request.head, in: request.bytes.span, on: listener)
    }

    @Test func `each path leads where it should, on its own listener alone`() {
        let paths: [(String, ListenerRole, Route)] = [
            ("/api/v1/messages/ws", .public, .webSocket),
            ("/api/v1/projects/p-1/ws/status", .public, .projectStatus(project: 21..<24)),
            ("/livez", .admin, .live), ("/readyz", .admin, .ready), ("/healthz", .admin, .ready),
            ("/metrics", .admin, .metrics),
        ]
        for (path, listener, expected) in paths {
            let other: ListenerRole = listener == .public ? .admin : .public
            #expect(route("GET", path, on: listener) == expected)
            #expect(route("GET", path + "?verbose", on: listener) == expected)
            #expect(route("GET", path, on: other) == .notFound)
            #expect(route("POST", path, on: other) == .notFound)
        }
    }

    @Test(arguments: [
        "/", "/api/v1/messages/ws/", "/api/v1/messages/w", "/api/v1/messages/wss", "//livez",
        "/API/v1/messages/ws", "/api/v1/projects//ws/status", "/api/v1/projects/a/b/ws/status",
        "/api/v1/projects/a/ws/status/", "/api/v1/projects/a", "/api/v1/projects/",
        "/api/v1/projects/a/ws", "/api/v1/messages/w%73", "http://x",
    ])
    func `near misses are not found`(path: String) {
        #expect(route("GET", path, on: .public) == .notFound)
        #expect(route("GET", path, on: .admin) == .notFound)
    }

    @Test func `GET and HEAD are allowed, for the WebSocket GET alone`() {
        let status = "/api/v1/projects/p/ws/status"
        #expect(route("HEAD", status, on: .public) == .projectStatus(project: 22..<23))
        #expect(route("HEAD", "/metrics", on: .admin) == .metrics)
        #expect(route("POST", "/metrics", on: .admin) == .methodNotAllowed(.getAndHead))
        #expect(route("get", status, on: .public) == .methodNotAllowed(.getAndHead))
        #expect(route("HEAD", "/api/v1/messages/ws", on: .public) == .methodNotAllowed(.get))
        #expect(route("OPTIONS", "/api/v1/messages/ws", on: .public) == .methodNotAllowed(.get))
        #expect(route("DELETE", "/nothing", on: .public) == .notFound)
    }
}
