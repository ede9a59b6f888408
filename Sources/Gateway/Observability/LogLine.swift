package import Logging
package import Reactor

/// How log lines look; the names are the setting's values.
package enum LogFormat: String, CaseIterable, Sendable {
    /// `2026-01-02T03:04:05.678Z info message key=value`, for eyes.
    case text
    /// One object a line, for collectors.
    case json
}

/// One line of the log while it is written: escaped, and cut so that it never exceeds `limit`.
///
/// Whatever a peer or the database put into a value, the line stays one line, holds no control
/// character that a terminal would obey and none that turns text around, and in JSON stays well-formed also when it
/// is cut.
package struct LogLine: ~Copyable {
    /// The line's bytes so far.
    package private(set) var buffer: ByteBuffer
    /// Whether something didn't fit: the value in hand ends with `…` and what follows is left out.
    package private(set) var isCut = false
    private let format: LogFormat
    private let limit: Int

    /// What `finish` and a cut may still add: `…`, a quote, `,"truncated":true`, `}` and the line
    /// end, 23 bytes.
    private static let tailBytes = 24

    /// `limit` counts the line end too; at least 128.
    package init(format: LogFormat, limit: Int = LineOutput.lineBytesMax) {
        precondition(limit >= 128)
        self.format = format
        self.limit = limit - Self.tailBytes
        self.buffer = ByteBuffer(capacity: 512)
    }

    /// Begins the line. `microseconds` since 1970.
    package mutating func begin(microseconds: Int64, level: Logger.Level, message: String) {
        switch format {
        case .text:
            append(time: microseconds)
            buffer.append(UInt8(ascii: " "))
            buffer.append(text: level.rawValue)
            buffer.append(UInt8(ascii: " "))
            append(escaped: message, quoting: false)
        case .json:
            buffer.append("{\"time\":\"")
            append(time: microseconds)
            buffer.append("\",\"level\":\"")
            buffer.append(text: level.rawValue)
            buffer.append("\",\"message\":\"")
            append(escaped: message, quoting: true)
            buffer.append(UInt8(ascii: "\""))
        }
    }

    /// Adds a pair. `isLiteral`: the value is a JSON number or boolean, written as it stands.
    package mutating func add(key: String, value: String, isLiteral: Bool = false) {
        guard !isCut else { return }
        guard buffer.count + key.utf8.count + (isLiteral ? value.utf8.count : 0) + 8 <= limit
        else {
            isCut = true
            return
        }
        switch format {
        case .text:
            buffer.append(UInt8(ascii: " "))
            append(escaped: key, quoting: false)
            buffer.append(UInt8(ascii: "="))
            guard Self.needsQuotes(value) else {
                append(escaped: value, quoting: false)
                return
            }
            appendQuoted(value)
        case .json:
            buffer.append(UInt8(ascii: ","))
            appendQuoted(key)
            buffer.append(UInt8(ascii: ":"))
            if isLiteral {
                buffer.append(text: value)
            } else {
                appendQuoted(value)
            }
        }
    }

    /// Ends the line, with its line end.
    package mutating func finish() {
        if isCut {
            switch format {
            case .text: buffer.append(" truncated=true")
            case .json: buffer.append(",\"truncated\":true")
            }
        }
        if format == .json { buffer.append(UInt8(ascii: "}")) }
        buffer.append(UInt8(ascii: "\n"))
    }

    /// RFC 3339 with milliseconds.
    private mutating func append(time microseconds: Int64) {
        Timestamp(microseconds: microseconds).write(to: &buffer)
        buffer.truncate(to: buffer.count - 4)  // The last three digits, and the Z.
        buffer.append(UInt8(ascii: "Z"))
    }

    private mutating func appendQuoted(_ text: String) {
        buffer.append(UInt8(ascii: "\""))
        append(escaped: text, quoting: true)
        buffer.append(UInt8(ascii: "\""))
    }

    /// What isn't shown always becomes an escape; quotes and backslashes only within quotes.
    private mutating func append(escaped text: String, quoting: Bool) {
        for scalar in text.unicodeScalars {
            guard buffer.count + ByteBuffer.escapeBytesMax <= limit else {
                buffer.append("…")
                isCut = true
                return
            }
            switch scalar {
            case "\"" where quoting: buffer.append("\\\"")
            case "\\" where quoting: buffer.append("\\\\")
            case _ where scalar.isEscaped: buffer.append(escaping: scalar)
            default: buffer.append(scalar: scalar)
            }
        }
    }

    private static func needsQuotes(_ value: String) -> Bool {
        value.isEmpty
            || value.unicodeScalars.contains { scalar in
                scalar == " " || scalar == "\"" || scalar == "=" || scalar == "\\"
                    || scalar.isEscaped
            }
    }
}
