import Gateway
import Reactor
import Testing

@Suite struct QueryBehaviour {
    private func decoded(
        _ query: String, _ parameter: KeyPath<Query, RequestHead.Part>
    ) throws -> String? {
        let request = ParsedRequest.get("/x?\(query)")
        try #require(request.isComplete)
        let read = try Query(of: request.head, in: request.bytes.span)
        guard read[keyPath: parameter].isPresent else { return nil }
        var buffer = ByteBuffer()
        Query.append(read[keyPath: parameter], of: request.bytes.span, to: &buffer)
        return String(decoding: buffer)
    }

    @Test func `each parameter is found wherever it stands`() throws {
        let query = "a=1&token=t.o-k_n&&verbose&projectId=p&since=5%3A6&=x&b"
        #expect(try decoded(query, \.token) == "t.o-k_n")
        #expect(try decoded(query, \.projectID) == "p")
        #expect(try decoded(query, \.since) == "5:6")
        #expect(try decoded(query, \.verbose) == "")
    }

    @Test(arguments: [
        ("token=a+b", "a b"), ("token=a%20b%2B", "a b+"), ("token=%e2%82%AC", "€"),
        ("token=a=b==", "a=b=="), ("token=", ""), ("token", ""), ("%74oken=x", "x"),
        ("%74%6F%6b%65%6E=x", "x"), ("token=%25%34%31", "%41"), ("token=a%26b%3Dc", "a&b=c"),
        ("token=a?b/c", "a?b/c"),
    ])
    func `names and values are decoded as forms are`(query: String, expected: String) throws {
        #expect(try decoded(query, \.token) == expected)
    }

    @Test(arguments: ["Token=x", "tokens=x", "toke=x", "to%20ken=x", "+token=x", "x", "", "=token"])
    func `other names are not taken for a parameter`(query: String) throws {
        #expect(try decoded(query, \.token) == nil)
    }

    @Test(arguments: [
        "token=%", "token=%4", "token=%4&x", "token=%4g", "token=%-1", "%zz", "x=%%", "%=1",
        "a=%2&token=1", "token=%G0",
    ])
    func `a percent sign without two digits is refused`(query: String) {
        let request = ParsedRequest.get("/x?\(query)")
        let error = #expect(throws: HTTPError.self) {
            try Query(of: request.head, in: request.bytes.span)
        }
        #expect(error?.kind == .badRequest)
    }

    @Test(arguments: [
        "token=a&token=a", "token=a&%74oken=b", "token&token", "projectId=a&x&projectId=b",
        "since=1&since=2",
    ])
    func `a parameter that comes twice is refused`(query: String) {
        let request = ParsedRequest.get("/x?\(query)")
        let error = #expect(throws: HTTPError.self) {
            try Query(of: request.head, in: request.bytes.span)
        }
        #expect(error?.kind == .badRequest)
    }

    @Test func `without a query there is nothing`() throws {
        let request = ParsedRequest.get("/x")
        let query = try Query(of: request.head, in: request.bytes.span)
        #expect(!query.token.isPresent)
        #expect(!query.verbose.isPresent)
    }
}
