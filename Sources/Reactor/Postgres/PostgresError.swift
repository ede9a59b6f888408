internal import CEpollShim

/// What PostgreSQL or libpq said when something failed. It holds no password: libpq's messages name
/// the user, the host and the database only.
public struct PostgresError: Error, Equatable, Sendable {
    /// PostgreSQL's five-character error code (appendix A of its manual); `nil` when libpq itself
    /// reports the failure, such as a connection that broke.
    public let sqlstate: String?
    /// One line, at most `messageBytesMax` bytes.
    public let message: String
    public let detail: String?
    public let hint: String?
    /// Where in which function or file-like thing of the server it happened.
    public let context: String?
    /// Where in the statement it happened, in characters counted from 1.
    public let position: Int?

    /// The longest text that is kept of one field: a message is for a log line, and the server
    /// may quote a whole row in it.
    public static let messageBytesMax = 1_024

    public init(
        sqlstate: String? = nil, message: String, detail: String? = nil, hint: String? = nil,
        context: String? = nil, position: Int? = nil
    ) {
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint
        self.context = context
        self.position = position
    }
}

extension PostgresError {
    /// Whether the session ends with it, rather than the statement alone: libpq's own errors have no code,
    /// and class 57P is of a server that shuts down or is told to end this session.
    public var endsSession: Bool {
        sqlstate.map { $0.hasPrefix("57P") } ?? true
    }
}

extension PostgresError: CustomStringConvertible {
    public var description: String {
        sqlstate.map { "\(message) (SQLSTATE \($0))" } ?? message
    }
}

extension PostgresError {
    /// Reads the fields of a failed result, which the caller keeps.
    @unsafe init(result: OpaquePointer) {
        func field(_ code: Int32) -> String? {
            unsafe PQresultErrorField(result, code).map { unsafe Self.line($0) }
        }
        let primary = field(ces_PG_DIAG_MESSAGE_PRIMARY)
        let whole = unsafe Self.line(PQresultErrorMessage(result))
        self.init(
            sqlstate: field(ces_PG_DIAG_SQLSTATE),
            message: primary ?? whole,
            detail: field(ces_PG_DIAG_MESSAGE_DETAIL),
            hint: field(ces_PG_DIAG_MESSAGE_HINT),
            context: field(ces_PG_DIAG_CONTEXT),
            position: field(ces_PG_DIAG_STATEMENT_POSITION).flatMap { Int($0) })
    }

    /// libpq's text as one line of bounded length. Its messages end in a line end and go over
    /// several lines when it tried several hosts.
    @unsafe static func line(_ text: UnsafePointer<CChar>?) -> String {
        guard let text = unsafe text else { return "" }
        let length = unsafe min(strnlen(text, messageBytesMax), messageBytesMax)
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: length)
        let decoded = unsafe String(decoding: bytes, as: UTF8.self)
        return decoded.split(whereSeparator: \.isNewline)
            .map { $0.drop(while: \.isWhitespace) }
            .joined(separator: " ")
    }
}
