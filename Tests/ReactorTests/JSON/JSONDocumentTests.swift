import Reactor
import Testing

@Suite struct JSONDocumentBehaviour {
    @Test func `each kind of value is told apart and read`() throws {
        let text = #"{"o":{"i":-7},"a":[1],"s":"x","r":1.5,"t":true,"f":false,"n":null}"#
        let document = try JSONDocument(text.utf8Span.span)
        let root = document.root
        let kinds = [
            root.kind, root.member("o")?.kind, root.member("a")?.kind, root.member("s")?.kind,
            root.member("r")?.kind, root.member("t")?.kind, root.member("n")?.kind,
        ]
        #expect(kinds == [.object, .object, .array, .string, .real, .bool, .null])
        let nested = root.member("o")?.member("i")?.integer
        #expect(nested == -7)
        let real = root.member("r")?.real
        #expect(real == 1.5)
        let yes = root.member("t")?.bool
        #expect(yes == true)
        let no = root.member("f")?.bool
        #expect(no == false)
    }

    @Test func `reading a value as another kind gives nothing`() throws {
        let document = try JSONDocument(#"{"s":"1","i":1,"r":1.0}"#.utf8Span.span)
        let root = document.root
        let integerOfString = root.member("s")?.integer
        #expect(integerOfString == nil)
        let integerOfReal = root.member("r")?.integer
        #expect(integerOfReal == nil)
        let realOfInteger = root.member("i")?.real
        #expect(realOfInteger == nil)
        let boolOfInteger = root.member("i")?.bool
        #expect(boolOfInteger == nil)
        let stringOfInteger = root.member("i")?.string == nil
        #expect(stringOfInteger)
        let memberOfString = root.member("s")?.member("s") == nil
        #expect(memberOfString)
        let absent = root.member("other") == nil
        #expect(absent)
    }

    @Test(arguments: [
        ("null", JSONKind.null), ("1", .integer), (" -1.5 ", .real), ("true", .bool),
        (#""text""#, .string), ("[]", .array), ("{}", .object),
    ])
    func `any value is a document`(text: String, kind: JSONKind) throws {
        let document = try JSONDocument(text.utf8Span.span)
        let found = document.root.kind
        #expect(found == kind)
        let member = document.root.member("a") == nil
        #expect(member)
    }

    @Test func `strings come with their escapes resolved`() throws {
        let text = #"{"s":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é"}"#
        let document = try JSONDocument(text.utf8Span.span)
        let value = copy(document.root, "s")
        #expect(value == "a\"\\/\u{8}\u{C}\n\r\t\u{E9}\u{1F600}\u{E9}")
    }

    @Test func `the whole range of 64-bit integers is read`() throws {
        let text = #"{"low":-9223372036854775808,"high":9223372036854775807}"#
        let document = try JSONDocument(text.utf8Span.span)
        let low = document.root.member("low")?.integer
        #expect(low == .min)
        let high = document.root.member("high")?.integer
        #expect(high == .max)
    }

    @Test(arguments: [
        ("", JSONError.Reason.prematureEnd), (" ", .prematureEnd), ("{", .prematureEnd),
        (#"{"a":"#, .prematureEnd), (#"{"a":"b"#, .prematureEnd), ("[1,2", .prematureEnd),
        ("nonsense", .invalidSyntax), ("nul", .invalidSyntax), (#""text"#, .prematureEnd),
        ("{a:1}", .invalidSyntax), ("{'a':1}", .invalidSyntax), ("[1,]", .invalidSyntax),
        ("[01]", .invalidSyntax), ("[NaN]", .invalidSyntax), ("[Infinity]", .invalidSyntax),
        ("{} {}", .trailingBytes), ("{}x", .trailingBytes), ("1 2", .trailingBytes),
        (#"{"a":1,"a":2}"#, .duplicateKey), (#"{"a":1,"\u0061":2}"#, .duplicateKey),
        (#"{"a":{"b":1,"b":1}}"#, .duplicateKey),
        (#"["\u0000"]"#, .nullCharacter), (#"{"\u0000":1}"#, .nullCharacter),
        (#"["\ud800"]"#, .invalidSyntax), (#"["\udc00"]"#, .invalidSyntax),
        (#"["\ud800\u0041"]"#, .invalidSyntax), ("[\"a\nb\"]", .invalidSyntax),
        ("[9223372036854775808]", .numberOutOfRange), ("[1e999]", .numberOutOfRange),
    ])
    func `refuses what isn't strict JSON`(text: String, reason: JSONError.Reason) {
        #expect(fault(Array(text.utf8))?.reason == reason)
    }

    @Test(
        arguments: [
            [0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3],
        ] as [[UInt8]])
    func `refuses text that isn't UTF-8`(bytes: [UInt8]) {
        let text = Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8)
        #expect(fault(text)?.reason == .invalidUTF8)
    }

    @Test func `refuses a raw NUL inside and outside of a string`() {
        #expect(fault([0x7B, 0x7D, 0x00]) != nil)
        #expect(fault([0x5B, 0x22, 0x00, 0x22, 0x5D]) != nil)
    }

    @Test func `nesting stops at 2,048`() {
        let deepest = nested(2_048)
        #expect(fault(deepest) == nil)
        #expect(fault(nested(2_049))?.reason == .tooDeep)
        let unclosed = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        #expect(fault(unclosed)?.reason == .tooDeep)
    }

    @Test func `every beginning of a document is refused`() {
        let text = Array(#"{"type":"join","n":-1.5e3,"l":[true,null,"\u00e9"],"o":{"é":1}}"#.utf8)
        #expect(fault(text) == nil)
        for count in 0..<text.count {
            #expect(fault(Array(text[..<count])) != nil)
        }
    }

    @Test func `the fault's position is where reading stopped`() {
        #expect(fault(Array("[1,2,x]".utf8))?.position == 6)
        #expect(fault([])?.position == 0)
    }

    @Test func `documents bigger than the arena are read all the same`() throws {
        var text = "["
        for number in 0..<50_000 {
            text += #"{"number":"# + String(number) + "},"
        }
        text += #"{"last":true}]"#
        for _ in 0..<3 {
            let document = try JSONDocument(text.utf8Span.span)
            let kind = document.root.kind
            #expect(kind == .array)
        }
    }

    @Test func `threads that parse at the same time don't disturb each other`() async {
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 {
                group.addTask { parseOften(number) }
            }
            for await succeeded in group {
                #expect(succeeded)
            }
        }
    }

    private func nested(_ depth: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(ascii: "["), count: depth)
            + [UInt8](repeating: UInt8(ascii: "]"), count: depth)
    }
}

/// Parses documents of its own number in turn, two at a time, and says whether each came out right.
private func parseOften(_ number: Int) -> Bool {
    let text = Array(#"{"number":\#(number),"text":"thread \#(number)","more":[{},{"a":[]}]}"#.utf8)
    do throws(JSONError) {
        for _ in 0..<2_000 {
            let first = try JSONDocument(text.span)
            let second = try JSONDocument(text.span)
            guard first.root.member("number")?.integer == Int64(number),
                second.root.member("number")?.integer == Int64(number),
                copy(first.root, "text") == "thread \(number)"
            else { return false }
        }
    } catch {
        return false
    }
    return true
}

private func copy(_ root: JSONValue, _ key: StaticString) -> String? {
    guard let span = root.member(key)?.string else { return nil }
    var buffer = ByteBuffer()
    buffer.append(span)
    return String(decoding: buffer)
}

private func fault(_ text: [UInt8]) -> JSONError? {
    do throws(JSONError) {
        let document = try JSONDocument(text.span)
        _ = document.root.kind
        return nil
    } catch {
        return error
    }
}
