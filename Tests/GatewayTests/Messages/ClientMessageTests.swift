import Gateway
import Reactor
import Testing

private let projectText = "0f8fad5b-d9cb-469f-a165-70867728950e"

@Suite struct ClientMessageBehaviour {
    @Test func `join_project names the project and may keep the others`() throws {
        let join = try parse(#"{"type":"join_project","project_id":"\#(projectText)"}"#)
        #expect(join.message.kind == .joinProject)
        #expect(join.message.project == UUID(text: projectText))
        #expect(!join.message.keepsOthers)
        #expect(!join.message.reference.isPresent)
        let keeping = try parse(
            #"{"keep":true,"project_id":"\#(projectText)","type":"join_project"}"#)
        #expect(keeping.message.keepsOthers)
        let leaving = try parse(
            #"{"keep":false,"project_id":"\#(projectText)","type":"join_project"}"#)
        #expect(!leaving.message.keepsOthers)
    }

    @Test func `leave_project names one project or none`() throws {
        let one = try parse(#"{"type":"leave_project","project_id":"\#(projectText)"}"#)
        #expect(one.message.kind == .leaveProject)
        #expect(one.message.project == UUID(text: projectText))
        let all = try parse(#"{"type":"leave_project"}"#)
        #expect(all.message.kind == .leaveProject)
        #expect(all.message.project == nil)
    }

    @Test func `init may bring a token and a project`() throws {
        let full = try parse(
            #"{"type":"init","token":"a.b.c","project_id":"\#(projectText)","since":"7"}"#)
        #expect(full.message.kind == .initialize)
        #expect(full.message.project == UUID(text: projectText))
        #expect(full.message.hasToken)
        #expect(full.token == "a.b.c")
        let bare = try parse(#"{"type":"init"}"#)
        #expect(!bare.message.hasToken)
        #expect(bare.token == "")
        let empty = try parse(#"{"type":"init","token":""}"#)
        #expect(empty.message.hasToken)
    }

    @Test func `a token buffer never keeps the token of an earlier message`() throws {
        var token = ByteBuffer()
        _ = try ClientMessage(#"{"type":"init","token":"a.b.c"}"#.utf8Span.span, token: &token)
        _ = try ClientMessage(#"{"type":"ping"}"#.utf8Span.span, token: &token)
        let text = String(decoding: token)
        #expect(text == "")
    }

    @Test(arguments: [
        ("ping", ClientMessage.Kind.ping), ("pong", .pong), ("types", .unknown),
        ("directs", .unknown), ("acks", .unknown), ("", .unknown), ("PING", .unknown),
        ("ping ", .unknown), ("pin", .unknown), ("join_projects", .unknown),
    ])
    func `types are told apart exactly`(type: String, kind: ClientMessage.Kind) throws {
        #expect(try parse(#"{"type":"\#(type)"}"#).message.kind == kind)
    }

    @Test(arguments: ClientMessage.Kind.allCases)
    func `each kind is read from its own text`(kind: ClientMessage.Kind) throws {
        let text =
            #"{"type":"\#(kind.text)","project_id":"\#(projectText)","topic":"t","id":"\#(projectText)","#
            + #""to":"\#(projectText)","data":{},"ids":["\#(projectText)"]}"#
        #expect(try parse(text).message.kind == kind)
    }

    @Test func `escapes in keys and values don't matter`() throws {
        let message = try parse(
            #"{"\u0074ype":"join\u005fproject","project_id":"\#(projectText)"}"#)
        #expect(message.message.kind == .joinProject)
    }

    @Test func `keys that the type doesn't use aren't looked at`() throws {
        let text = #"{"type":"ping","project_id":7,"keep":"x","token":[],"other":{"a":null}}"#
        #expect(try parse(text).message.kind == .ping)
    }

    @Test func `null is as good as leaving a key out`() throws {
        let text = #"{"type":"init","project_id":null,"token":null,"ref":null}"#
        let message = try parse(text).message
        #expect(message.project == nil)
        #expect(!message.hasToken)
        #expect(!message.reference.isPresent)
    }

    @Test(arguments: [
        ("7", "7"), ("-9223372036854775808", "-9223372036854775808"), (#""a""#, #""a""#),
        (#""""#, #""""#), (#""q\"\\\n\u00e9""#, #""q\"\\\né""#),
    ])
    func `a reference is repeated as it came`(sent: String, repeated: String) throws {
        let message = try parse(#"{"type":"ping","ref":\#(sent)}"#).message
        #expect(message.reference.isPresent)
        #expect(written(message.reference) == repeated)
    }

    @Test func `a reference has at most 64 bytes`() throws {
        for count in [63, 64] {
            let text = String(repeating: "r", count: count)
            let message = try parse(#"{"type":"ping","ref":"\#(text)"}"#).message
            #expect(written(message.reference) == "\"\(text)\"")
        }
        let tooLong = String(repeating: "r", count: 65)
        let answer = refusal(#"{"type":"ping","ref":"\#(tooLong)"}"#)
        #expect(answer == bad("ref must have at most 64 bytes"))
        let characters = String(repeating: "é", count: 33)  // 66 bytes.
        #expect(refusal(#"{"type":"ping","ref":"\#(characters)"}"#) == answer)
    }

    @Test(arguments: [
        ("", "JSON ends too early"), ("{", "JSON ends too early"), ("ping", "invalid JSON"),
        ("nul", "invalid JSON"), ("{} ", "type is missing"),
        (#"{"type":"ping"}x"#, "something follows the JSON document"),
        (#"{"type":"ping","type":"ping"}"#, "a key stands twice in one object"),
        (#"{"type":"p\u0000"}"#, "a NUL character is not allowed"),
        (#"{"type":"\ud800"}"#, "invalid JSON"),
        ("[]", "the message must be a JSON object"),
        (#"["type"]"#, "the message must be a JSON object"),
        ("null", "the message must be a JSON object"), ("1", "the message must be a JSON object"),
        ("\"ping\"", "the message must be a JSON object"),
        ("true", "the message must be a JSON object"),
        ("-1.5", "the message must be a JSON object"),
        ("{}", "type is missing"), (#"{"type":null}"#, "type is missing"),
        (#"{"type":7}"#, "type must be a string"), (#"{"type":{}}"#, "type must be a string"),
        (#"{"type":"join_project"}"#, "project_id is missing"),
        (#"{"type":"join_project","project_id":null}"#, "project_id is missing"),
        (#"{"type":"join_project","project_id":7}"#, "project_id must be a string"),
        (#"{"type":"leave_project","project_id":[]}"#, "project_id must be a string"),
        (#"{"type":"init","project_id":true}"#, "project_id must be a string"),
        (#"{"type":"init","token":7}"#, "token must be a string"),
        (#"{"type":"ping","ref":1.5}"#, "ref must be a string or an integer"),
        (#"{"type":"ping","ref":{}}"#, "ref must be a string or an integer"),
        (#"{"type":"ping","ref":9223372036854775808}"#, "a number is out of range"),
    ])
    func `bad messages are answered with what is wrong`(text: String, message: String) {
        #expect(refusal(text) == bad(message))
    }

    @Test func `the keep key takes a boolean only`() {
        let text = #"{"type":"join_project","project_id":"\#(projectText)","keep":1}"#
        #expect(refusal(text) == bad("keep must be true or false"))
    }

    @Test func `presence says what is wanted, and has a default for each key`() throws {
        let plain = try parse(#"{"type":"presence","project_id":"\#(projectText)"}"#).message
        #expect(plain.wish == PresenceWish())
        #expect(plain.project == UUID(text: projectText))
        for mode in PresenceWish.Mode.allCases {
            let text =
                #"{"type":"presence","project_id":"\#(projectText)","mode":"\#(mode.text)","#
                + #""state":"away","invisible":true}"#
            let wish = try parse(text).message.wish
            #expect(wish.mode == mode && wish.isAway && wish.isInvisible)
        }
    }

    @Test func `typing has a topic of one to sixty-four bytes, and may be over`() throws {
        for topic in ["t", String(repeating: "t", count: 64)] {
            let parsed = try parse(
                #"{"type":"typing","project_id":"\#(projectText)","topic":"\#(topic)"}"#)
            #expect(parsed.token == topic && !parsed.message.stopsTyping)
        }
        let over = try parse(
            #"{"type":"typing","project_id":"\#(projectText)","topic":"t","stop":true}"#)
        #expect(over.message.stopsTyping)
        for topic in ["", String(repeating: "t", count: 65), String(repeating: "é", count: 33)] {
            let answer = refusal(
                #"{"type":"typing","project_id":"\#(projectText)","topic":"\#(topic)"}"#)
            #expect(answer == bad("topic must have 1 to 64 bytes"))
        }
    }

    @Test(arguments: [
        ("presence", #""mode":7"#, "mode must be a string"),
        ("presence", #""mode":"USERS""#, "mode must be users, count or off"),
        ("presence", #""state":[]"#, "state must be a string"),
        ("presence", #""state":"busy""#, "state must be active or away"),
        ("presence", #""invisible":"yes""#, "invisible must be true or false"),
        ("typing", #""topic":7"#, "topic must be a string"),
        ("typing", #""topic":null"#, "topic is missing"),
        ("typing", #""topic":"t","stop":1"#, "stop must be true or false"),
    ])
    func `wrong values of presence and typing are told apart`(
        type: String, field: String, message: String
    ) {
        let text = #"{"type":"\#(type)","project_id":"\#(projectText)",\#(field)}"#
        #expect(refusal(text) == bad(message))
        #expect(refusal(#"{"type":"\#(type)",\#(field)}"#) == bad("project_id is missing"))
    }

    @Test(arguments: [
        "{}", #"{ "a" : [1, 2.50, "\u00e9\"}" ] , "data":{"data":{}} }"#,
        #"{"t":"\#(String(repeating: "x", count: 4_088))"}"#,
    ])
    func `a direct message has its data as it is written`(data: String) throws {
        let base = #""id":"\#(projectText)","to":"\#(projectText)""#
        for text in [
            #"{"type":"direct",\#(base),"data":\#(data)}"#,
            #"{"data" : \#(data), "x":"\"data\":{}","y":{"data":1},\#(base), "type":"direct"}"#,
        ] {
            let parsed = try parse(text)
            #expect(parsed.token == data)
            #expect(parsed.message.direct?.ttlSeconds == 604_800)
            #expect(parsed.message.direct?.wantsReceipt == false)
        }
    }

    @Test func `a direct message says for how long, and whether it wants a receipt`() throws {
        let base = #"{"type":"direct","id":"\#(projectText)","to":"\#(projectText)","data":{}"#
        for seconds in [1, 2_592_000] {
            let message = try parse(base + #","ttl_s":\#(seconds),"receipt":true}"#).message
            #expect(message.direct?.ttlSeconds == UInt32(seconds))
            #expect(message.direct?.wantsReceipt == true)
        }
        for seconds in ["0", "2592001", "-1"] {
            let answer = refusal(base + #","ttl_s":\#(seconds)}"#)
            #expect(answer == notSent("ttl_s must be from 1 to 2592000"))
        }
    }

    @Test(arguments: [
        (#""id":7"#, "id must be a string"), (#""id":"7""#, "id must be a UUID"),
        (#""id":null"#, "id is missing"), (#""to":[]"#, "to must be a string"),
        (#""to":"nobody""#, "to must be a UUID"), (#""to":null"#, "to is missing"),
        (#""data":[]"#, "data must be an object"), (#""data":null"#, "data is missing"),
        (#""ttl_s":1.5"#, "ttl_s must be an integer"),
        (#""receipt":1"#, "receipt must be true or false"),
    ])
    func `wrong values of a direct message are told apart`(field: String, message: String) {
        var fields = [
            #""id":"\#(projectText)""#, #""to":"\#(projectText)""#, #""data":{}"#,
            #""ttl_s":60"#, #""receipt":true"#,
        ]
        let key = field.prefix { $0 != ":" }
        fields.removeAll { $0.hasPrefix(key) }
        let text = #"{"type":"direct",\#((fields + [field]).joined(separator: ","))}"#
        // Those of another field name the message.
        #expect(refusal(text) == (key == #""id""# ? bad(message) : notSent(message)))
    }

    @Test func `data has a bound, and its key no escapes`() {
        let base = #"{"type":"direct","id":"\#(projectText)","to":"\#(projectText)","#
        let long = #""data":{"t":"\#(String(repeating: "x", count: 4_089))"}}"#
        #expect(refusal(base + long)?.contains(#""code":"too_large""#) == true)
        #expect(refusal(base + #""d\u0061ta":{}}"#) == notSent("data is missing"))
    }

    @Test(arguments: [
        (#"{"t":"\u0000"}"#, "a NUL character is not allowed"),
        (#"{"\u0000":1}"#, "a NUL character is not allowed"),
        (#"{"t":"\ud800"}"#, "invalid JSON"), (#"{"t":"\udc00 "}"#, "invalid JSON"),
        (#"{"n":1e999}"#, "a number is out of range"),
        (#"{"n":9223372036854775808}"#, "a number is out of range"),
        (#"{"n":{"a":1,"a":2}}"#, "a key stands twice in one object"),
        (#"{"n":[1 2]}"#, "invalid JSON"), (#"{"n":tru}"#, "invalid JSON"),
        (
            String(repeating: #"{"a":"#, count: 2_050) + "1"
                + String(repeating: "}", count: 2_050), "JSON is nested too deeply"
        ),
    ])
    func `the answer to data that can't be read says of which message it was`(
        data: String, message: String
    ) {
        for (json, written) in [("7", "7"), (#""é\u0022""#, #""é\"""#)] {
            for text in [
                #"{"type":"direct","id":"\#(projectText)","ref":\#(json),"to":"x","data":\#(data)}"#,
                #" { "data":\#(data) , "ref" :\#(json), "x":[{"ref":1}], "id":"\#(projectText)" ,"type":"direct"}"#,
            ] {
                #expect(
                    refusal(text) == #"{"type":"error","ref":\#(written),"code":"bad_message","#
                        + #""message":"\#(message)","temporary":false,"id":"\#(projectText)"}"#)
            }
        }
    }

    @Test(arguments: [
        #"{"type":"ping","ref":1,"x":"\u0000"}"#,
        // Nobody knows which of both is meant.
        #"{"type":"direct","type":"ping","ref":1}"#, #"{"type":"direct","ref":1,"ref":2}"#,
        #"{"type":"direct","id":"","id":""}"#,
        #"{"t\u0079pe":"direct","ref":1,"x":"\u0000"}"#,
        #"{"type":"direct\u0000","ref":1}"#, #"{"x":{"type":"direct","ref":1,"y":"\u0000"}}"#,
        #"["type":"direct"]"#, #"{"data":"\u0000,"type":"direct","ref":1}"#,
    ])
    func `what isn't known to be a direct message has no name`(text: String) {
        #expect(refusal(text)?.contains("ref\"") == false)
    }

    @Test(arguments: [
        #""ref":1.5"#, #""ref":"\u0000""#, #""ref":[1"#, #""ref":x"#, #""ref":"""#,
        #""ref":""# + String(repeating: "é", count: 33) + "\"",
        #""ref":""# + String(repeating: #"\u0061"#, count: 65) + "\"",
        #""id":"\#(projectText.dropLast())\n""#, #""id":7"#, #""id":""#, #""id":"#, "7", "",
    ])
    func `a name that can't be read is left out`(field: String) {
        let text = #"{"type":"direct","x":"\u0000",\#(field)"#
        for end in ["}", ",\"y\":1}", ""] {
            let answer = refusal(text + end)
            #expect(answer?.contains("\"code\":\"bad_message\"") == true)
            #expect(answer?.contains(projectText) == false)
            #expect(field == #""ref":"""# || answer?.contains("\"ref\":") == false)
        }
    }

    @Test func `a name is read wherever the text of a bad direct message ends`() {
        let id = #"{"type":"direct","id":"\#(projectText)""#
        let reference = id + #","ref":"r""#
        let text = reference + #","data":{"t":"\u0000"}}"#
        for count in 0...text.utf8.count {
            let answer = refusal(Array(text.utf8.prefix(count))) ?? ""
            #expect(answer.contains(projectText) == (count >= id.utf8.count))
            #expect(answer.contains(#""ref":"r""#) == (count >= reference.utf8.count))
        }
    }

    @Test func `an acknowledgment has one to a hundred ids`() throws {
        for count in [1, 100] {
            let ids = Array(repeating: #""\#(projectText)""#, count: count).joined(separator: ",")
            let parsed = try parse(#"{"type":"ack","ids":[\#(ids)]}"#)
            #expect(parsed.token == String(repeating: projectText.lowercased(), count: count))
        }
        for ids in [
            "[]",
            "[" + Array(repeating: "\"\(projectText)\"", count: 101).joined(separator: ",") + "]",
        ] {
            #expect(refusal(#"{"type":"ack","ids":\#(ids)}"#) == bad("ids must be 1 to 100 UUIDs"))
        }
        #expect(refusal(#"{"type":"ack","ids":["x"]}"#) == bad("ids must be 1 to 100 UUIDs"))
        for ids in ["7", "{}", "[7]"] {
            #expect(
                refusal(#"{"type":"ack","ids":\#(ids)}"#) == bad("ids must be an array of strings"))
        }
        #expect(refusal(#"{"type":"ack"}"#) == bad("ids is missing"))
    }

    @Test(arguments: ["", "x", "0f8fad5bd9cb469fa16570867728950e", "\(projectText) "])
    func `a project that is no UUID has a code of its own`(text: String) {
        let answer = refusal(#"{"type":"join_project","project_id":"\#(text)"}"#)
        #expect(
            answer == #"{"type":"error","code":"invalid_project","#
                + #""message":"project_id must be a UUID","temporary":false}"#)
    }

    @Test func `errors repeat the reference wherever it can be read`() {
        let expected =
            #"{"type":"error","ref":"r1","code":"bad_message","#
            + #""message":"type is missing","temporary":false}"#
        #expect(refusal(#"{"ref":"r1"}"#) == expected)
        let wrongProject = refusal(#"{"type":"join_project","project_id":1,"ref":-3}"#)
        #expect(wrongProject?.hasPrefix(#"{"type":"error","ref":-3,"code":"#) == true)
    }

    @Test func `every beginning of a message is refused`() throws {
        let text = #"{"type":"join_project","project_id":"\#(projectText)","ref":"é"}"#
        let bytes = Array(text.utf8)
        _ = try parse(text)
        for count in 0..<bytes.count {
            #expect(refusal(Array(bytes[..<count])) != nil)
        }
    }

    private struct Parsed {
        var message: ClientMessage
        var token: String
    }

    private func parse(_ text: String) throws(ClientMessageError) -> Parsed {
        var token = ByteBuffer()
        let message = try ClientMessage(text.utf8Span.span, token: &token)
        return Parsed(message: message, token: String(decoding: token))
    }

    private func refusal(_ text: String) -> String? {
        refusal(Array(text.utf8))
    }

    /// The answer to a message that is refused.
    private func refusal(_ text: [UInt8]) -> String? {
        var token = ByteBuffer()
        do throws(ClientMessageError) {
            _ = try ClientMessage(text.span, token: &token)
            return nil
        } catch {
            var answer = ByteBuffer()
            error.write(to: &answer)
            return String(decoding: answer)
        }
    }

    private func bad(_ message: String) -> String {
        #"{"type":"error","code":"bad_message","message":"\#(message)","temporary":false}"#
    }

    /// The same of a direct message whose id is known.
    private func notSent(_ message: String) -> String {
        bad(message).dropLast() + #","id":"\#(projectText)"}"#
    }

    private func written(_ reference: Reference) -> String {
        var buffer = ByteBuffer()
        reference.write(to: &buffer)
        return String(decoding: buffer)
    }
}
