internal import Gateway
internal import Reactor

/// `ClientMessage`: what was understood, written in its plainest form, is understood as the same;
/// and the answer to what wasn't is JSON.
enum ClientMessageTarget {
    static func run(_ input: [UInt8]) {
        var answer = ByteBuffer()
        do throws(ClientMessageError) {
            let message = try Understood(input)
            let again: Understood
            do throws(ClientMessageError) {
                again = try Understood(message.plainText())
            } catch {
                preconditionFailure("\(error.fault)")
            }
            precondition(message == again)
            if message.kind == .unknown { return }
            precondition(message.text.count <= input.count)
        } catch {
            error.write(to: &answer)
            precondition(JSONText.isObject(answer.bytes))
        }
    }

    /// A message with the text that came with it: a token, a topic, or the name of an unknown type.
    private struct Understood: Equatable {
        let kind: ClientMessage.Kind
        let project: ProjectID?
        let keepsOthers: Bool
        let hasToken: Bool
        let since: Since?
        let wish: PresenceWish
        let stopsTyping: Bool
        let direct: DirectWords?
        /// As a JSON value; empty for none.
        let reference: [UInt8]
        let text: [UInt8]

        init(_ input: [UInt8]) throws(ClientMessageError) {
            var token = ByteBuffer()
            let message = try ClientMessage(input.span, token: &token)
            kind = message.kind
            project = message.project
            keepsOthers = message.keepsOthers
            hasToken = message.hasToken
            since = message.since
            wish = message.wish
            stopsTyping = message.stopsTyping
            direct = message.direct
            text = token.copy()
            var buffer = ByteBuffer()
            message.reference.write(to: &buffer)
            precondition((buffer.count > 0) == message.reference.isPresent)
            reference = buffer.copy()
        }

        func plainText() -> [UInt8] {
            var buffer = ByteBuffer()
            let name = kind == .unknown ? text : Array("\(kind.text)".utf8)
            JSONText.append("type", name.span, to: &buffer)
            if hasToken { JSONText.append("token", text.span, to: &buffer) }
            if let project {
                JSONText.append("project_id", Array(project.description.utf8).span, to: &buffer)
            }
            switch since {
            case .cursor(let cursor):
                buffer.append(#","since":"#)
                Cursor.write(cursor, to: &buffer)
            case .malformed: buffer.append(#","since":"""#)
            case nil: break
            }
            if kind == .typing { JSONText.append("topic", text.span, to: &buffer) }
            if stopsTyping { buffer.append(#","stop":true"#) }
            if let direct {
                JSONText.append("id", Array(direct.id.description.utf8).span, to: &buffer)
                JSONText.append("to", Array(direct.recipient.description.utf8).span, to: &buffer)
                buffer.append(#","data":"#)
                buffer.append(text.span)
                buffer.append(direct.wantsReceipt ? #","receipt":true"# : #","receipt":false"#)
                buffer.append(#","ttl_s":"#)
                buffer.append(decimal: UInt64(direct.ttlSeconds))
            }
            if kind == .ack { appendIDs(to: &buffer) }
            if kind == .presence {
                buffer.append(#","mode":""#)
                buffer.append(wish.mode.text)
                buffer.append(wish.isAway ? #"","state":"away""# : #"","state":"active""#)
                buffer.append(wish.isInvisible ? #","invisible":true"# : #","invisible":false"#)
            }
            if keepsOthers { buffer.append(#","keep":true"#) }
            if !reference.isEmpty {
                buffer.append(#","ref":"#)
                buffer.append(reference.span)
            }
            buffer.append("}")
            return buffer.copy()
        }

        /// They lie one behind the other.
        private func appendIDs(to buffer: inout ByteBuffer) {
            buffer.append(#","ids":["#)
            for start in stride(from: 0, to: text.count, by: UUID.textCount) {
                buffer.append(start == 0 ? "\"" : ",\"")
                buffer.append(text.span.extracting(start..<(start + UUID.textCount)))
                buffer.append("\"")
            }
            buffer.append("]")
        }
    }
}
