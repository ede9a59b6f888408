/// What the gateway needs to know of a request, as places in the head's bytes (RFC 9112 §2.1).
///
/// Every range counts from the first byte of the head, and holds as long as the caller keeps those
/// bytes. Nothing of it is on the heap.
package struct RequestHead: BitwiseCopyable, Equatable, Sendable {
    package enum Method: UInt8, BitwiseCopyable, Sendable {
        case get
        case head
        case other
    }

    package enum Version: UInt8, BitwiseCopyable, Sendable {
        case http10
        case http11
    }

    /// A part of the request line; absent when it begins at zero, where only the method can stand.
    package struct Part: BitwiseCopyable, Equatable, Sendable {
        var start: UInt16 = 0
        var end: UInt16 = 0

        /// `range` ends within a head, and offsets into a head fit sixteen bits.
        init(_ range: Range<Int>) {
            self.start = UInt16(range.lowerBound)
            self.end = UInt16(range.upperBound)
        }

        init() {}

        package var range: Range<Int> { Int(start)..<Int(end) }
        package var isPresent: Bool { start > 0 }
    }

    /// One header field: how often it came, and where one of its values is.
    package struct Field: BitwiseCopyable, Equatable, Sendable {
        var part = Part()
        /// Field lines of that name; `HTTPLimits.fieldCountMax` at most.
        package internal(set) var count: UInt8 = 0

        /// The value without the white space around it: of the first field line, unless the
        /// property says otherwise.
        package var range: Range<Int> { part.range }
        package var isPresent: Bool { count > 0 }

        mutating func record(_ value: Range<Int>) {
            if count == 0 { part = Part(value) }
            count += 1
        }

        mutating func recordLast(_ value: Range<Int>) {
            part = Part(value)
            count += 1
        }
    }

    package internal(set) var method = Method.other
    package internal(set) var version = Version.http11
    /// Whether the client wants the connection to live on after the answer (RFC 9112 §9.3).
    package internal(set) var keepAlive = false
    /// Whether `Upgrade` lists `websocket`.
    package internal(set) var upgradesToWebSocket = false
    /// Whether `Connection` lists `upgrade`.
    package internal(set) var connectionListsUpgrade = false

    /// The method as it was sent.
    package internal(set) var methodPart = Part()
    /// The path with its slash, percent-encoded as it was sent; empty when an absolute-form target
    /// ended with its authority.
    package internal(set) var path = Part()
    /// What follows the question mark; absent without one.
    package internal(set) var query = Part()
    /// Host and port: the authority of an absolute-form target, which overrides the header field
    /// (RFC 9112 §3.2.2), or else the value of `Host`. Absent only in HTTP/1.0.
    package internal(set) var host = Part()

    package internal(set) var upgrade = Field()
    package internal(set) var webSocketKey = Field()
    package internal(set) var webSocketVersion = Field()
    /// May come on several lines, which `FieldLines` finds.
    package internal(set) var webSocketProtocol = Field()
    /// May come on several lines, which `FieldLines` finds.
    package internal(set) var webSocketExtensions = Field()
    package internal(set) var authorization = Field()
    package internal(set) var origin = Field()
    /// The range is of the last line: each proxy adds at the end, so the nearest one spoke last.
    package internal(set) var forwardedFor = Field()
    package internal(set) var accept = Field()

    /// Where the first field line begins, and where the empty line does.
    var fieldsStart: UInt16 = 0
    var fieldsEnd: UInt16 = 0

    package init() {}
}
