package import Gateway
internal import Reactor

// Direct messages, in one call each.
extension CoreHarness {
    package static func message(_ number: UInt64) -> UUID { UUID(high: 3, low: number) }
    /// A core with a table of direct messages.
    package static func withDirect() throws -> CoreHarness {
        var harness = try CoreHarness()
        harness.beginDirect()
        return harness
    }

    /// The answer to the first message of a client that sends under its first `ref`.
    package static var firstSent: String { #"{"type":"ok","ref":1,"id":"\#(message(1))"}"# }

    /// There are direct messages, and the listener hears.
    package mutating func beginDirect() {
        core.databaseIs(DatabaseState(direct: .usable))
        beginListening()
    }

    /// The listener has begun to hear.
    package mutating func beginListening() {
        core.listenerBecameLive()
        while core.hasWorkLeft {
            core.continueResync()
            turn()
        }
        settle()
    }

    /// A connection that gets direct messages.
    package mutating func openReader(user: UInt64) throws -> Int {
        let number = try open(user: user)
        receive(text: #"{"type":"inbox"}"#, from: number)
        settle()
        return number
    }

    /// - Parameter fields: more of them, each with a comma in front.
    package mutating func send(
        _ id: UInt64, to user: UInt64, data: String = "{}", _ fields: String = "", from number: Int
    ) {
        receive(
            text: #"{"type":"direct","id":"\#(Self.message(id))","to":"\#(Self.user(user))","#
                + #""data":\#(data)\#(fields)}"#, from: number)
    }

    package mutating func acknowledge(_ ids: [UInt64], _ fields: String = "", from number: Int) {
        let ids = ids.map { #""\#(Self.message($0))""# }.joined(separator: ",")
        receive(text: #"{"type":"ack","ids":[\#(ids)]\#(fields)}"#, from: number)
    }

    /// The messages that a client got, by their numbers.
    package func messages(of number: Int) -> [UInt64] {
        stream(of: number).texts.compactMap { text in
            guard text.hasPrefix(#"{"type":"direct","id":""#) else { return nil }
            return UUID(text: String(text.dropFirst(23).prefix(36)))?.low
        }
    }

    /// What a client was told besides.
    package func answers(of number: Int) -> [String] {
        stream(of: number).texts.filter { !$0.hasPrefix(#"{"type":"direct""#) }
    }
}
