package import Reactor

// Questions, and what has come of them.
extension SessionFrame {
    package static func writeQuestion(
        _ query: DatabaseQuery, _ parameters: borrowing QueryParameters, tag: UInt64,
        into buffer: inout ByteBuffer
    ) {
        let start = begin(.question, in: &buffer)
        buffer.append(query.rawValue)
        buffer.append(bigEndian: tag)
        buffer.append(UInt8(parameters.count))
        for index in 0..<parameters.count {
            buffer.append(parameters.isBinary(index) ? 1 : 0)
            let value = parameters.value(index)
            buffer.append(bigEndian: UInt32(clamping: value.count))
            buffer.append(value)
        }
        end(start, in: &buffer)
    }

    package static func writeAnswer(
        _ answer: borrowing QueryAnswer, into buffer: inout ByteBuffer
    ) {
        let start = begin(.answer, in: &buffer)
        buffer.append(answer.query.rawValue)
        buffer.append(bigEndian: answer.tag)
        switch answer.outcome {
        case .rows(let rows):
            buffer.append(0)
            append(rows, to: &buffer)
        case .succeeded: buffer.append(1)
        case .failed(.lost): buffer.append(2)
        case .failed(.refused(let error)):
            buffer.append(3)
            append(error, to: &buffer)
        }
        end(start, in: &buffer)
    }

    package static func writeState(
        _ rows: borrowing PostgresRows, into buffer: inout ByteBuffer
    ) {
        let start = begin(.state, in: &buffer)
        append(rows, to: &buffer)
        end(start, in: &buffer)
    }

    // MARK: Reading

    /// What a question is about, and puts what it has into `parameters`. `nil` for one that no follower asks.
    package static func question(
        _ body: borrowing Span<UInt8>, into parameters: inout QueryParameters
    ) -> (query: DatabaseQuery, tag: UInt64)? {
        var cursor = SessionFrameCursor()
        parameters.removeAll()
        guard let kind = cursor.byte(of: body), let query = DatabaseQuery(rawValue: kind),
            query.isRelayed, let tag = cursor.word(of: body), let count = cursor.byte(of: body),
            count <= QueryParameters.countMax
        else { return nil }
        for _ in 0..<count {
            guard let isBinary = cursor.flag(of: body), let length = cursor.halfWord(of: body),
                let range = cursor.range(Int(length), of: body)
            else { return nil }
            if isBinary {
                parameters.append(binary: body.extracting(range))
            } else {
                parameters.append(text: body.extracting(range))
            }
        }
        return cursor.isAtEnd(of: body) ? (query, tag) : nil
    }

    package static func answer(_ body: borrowing Span<UInt8>) -> QueryAnswer? {
        var cursor = SessionFrameCursor()
        guard let kind = cursor.byte(of: body), let query = DatabaseQuery(rawValue: kind),
            query.isRelayed, let tag = cursor.word(of: body), let outcome = cursor.byte(of: body)
        else { return nil }
        switch outcome {
        case 0:
            guard let rows = rows(body, &cursor) else { return nil }
            return QueryAnswer(query: query, tag: tag, outcome: .rows(rows))
        case 1 where cursor.isAtEnd(of: body):
            return QueryAnswer(query: query, tag: tag, outcome: .succeeded)
        case 2 where cursor.isAtEnd(of: body):
            return QueryAnswer(query: query, tag: tag, outcome: .failed(.lost))
        case 3:
            guard let error = error(body, &cursor) else { return nil }
            return QueryAnswer(query: query, tag: tag, outcome: .failed(.refused(error)))
        default: return nil
        }
    }

    package static func state(_ body: borrowing Span<UInt8>) -> PostgresRows? {
        var cursor = SessionFrameCursor()
        return rows(body, &cursor)
    }

    // MARK: Rows and errors

    /// The length that stands for NULL.
    private static let null = UInt32.max

    private static func append(_ rows: borrowing PostgresRows, to buffer: inout ByteBuffer) {
        buffer.append(bigEndian: UInt32(rows.count))
        buffer.append(bigEndian: UInt32(rows.columnCount))
        for row in 0..<rows.count {
            for column in 0..<rows.columnCount {
                guard !rows.isNull(row: row, column: column) else {
                    buffer.append(bigEndian: null)
                    continue
                }
                let field = rows.bytes(row: row, column: column)
                buffer.append(bigEndian: UInt32(field.count))
                buffer.append(field)
            }
        }
    }

    private static func rows(
        _ body: borrowing Span<UInt8>, _ cursor: inout SessionFrameCursor
    ) -> PostgresRows? {
        guard let count = cursor.halfWord(of: body), let columnCount = cursor.halfWord(of: body),
            columnCount <= PostgresRowsBuilder.columnCountMax
        else { return nil }
        // Of no columns there is nothing to read, however many rows there are.
        guard var builder = PostgresRowsBuilder(columnCount: Int(columnCount)) else { return nil }
        let fieldCount = columnCount == 0 ? 0 : UInt64(count) * UInt64(columnCount)
        for _ in 0..<fieldCount {
            guard let length = cursor.halfWord(of: body) else { return nil }
            if length == null {
                guard builder.appendNull() else { return nil }
                continue
            }
            guard let range = cursor.range(Int(length), of: body),
                builder.append(body.extracting(range))
            else { return nil }
        }
        return cursor.isAtEnd(of: body) ? builder.finish() : nil
    }

    private static func append(_ error: PostgresError, to buffer: inout ByteBuffer) {
        buffer.append(frameText: error.message)
        for text in [error.sqlstate, error.detail, error.hint, error.context] {
            buffer.append(frameText: text)
        }
        buffer.append(error.position == nil ? 0 : 1)
        if let position = error.position {
            buffer.append(bigEndian: UInt64(bitPattern: Int64(position)))
        }
    }

    private static func error(
        _ body: borrowing Span<UInt8>, _ cursor: inout SessionFrameCursor
    ) -> PostgresError? {
        guard let message = cursor.text(of: body), let sqlstate = cursor.optionalText(of: body),
            let detail = cursor.optionalText(of: body), let hint = cursor.optionalText(of: body),
            let context = cursor.optionalText(of: body), let hasPosition = cursor.flag(of: body)
        else { return nil }
        var position: Int?
        if hasPosition {
            guard let word = cursor.word(of: body) else { return nil }
            position = Int(Int64(bitPattern: word))
        }
        guard cursor.isAtEnd(of: body) else { return nil }
        return PostgresError(
            sqlstate: sqlstate, message: message, detail: detail, hint: hint, context: context,
            position: position)
    }
}
