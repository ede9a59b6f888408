internal import Gateway
internal import GatewayHarness
internal import Reactor

/// Whole connections, and what happens around them: bytes in pieces, events, time, slow readers, a
/// database that is away. The input is a script of steps; whatever it says, each client must have
/// got well-formed answers and frames, and nothing may be left when all have gone.
enum ConnectionTarget {
    private static let stepsMax = 400
    private static let connectionsMax = 12

    static func run(_ input: [UInt8]) {
        do {
            try play(FuzzInput(input))
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private static func play(_ script: consuming FuzzInput) throws {
        var script = script
        let options = script.byte()
        var harness = try CoreHarness(
            disconnectsSlowConsumers: options & 1 == 1, seed: UInt64(options >> 6),
            admission: options & 2 == 0 ? AdmissionLimits() : .standard,
            checksMembership: options & 4 == 4, compresses: options & 32 == 32,
            turn: options & 64 == 64
                ? .unlimited : .init(strangers: 20_000, members: 10_000, client: 2_000))
        for user in 0..<2 as Range<UInt64> {
            for project in 0..<3 as Range<UInt64> { harness.database.add(user, to: project) }
        }
        if options & 8 == 8 {
            harness.deliveries.perTurn = 2
            harness.deliveries.perRoomShare = 1
        }
        if options & 16 == 16 { harness.core.eventLogIs(.usable) }
        harness.core.listenerBecameLive()
        harness.core.continueResync()
        let tokens = [try CoreHarness.token(user: 0), try CoreHarness.token(user: 1, seconds: 40)]
        var steps = 0
        while !script.isAtEnd, steps < stepsMax {
            try step(&script, in: &harness, tokens)
            steps += 1
        }
        finish(&harness)
    }

    private static func step(
        _ script: inout FuzzInput, in harness: inout CoreHarness, _ tokens: [String]
    ) throws {
        let choice = script.byte()
        let client = Int(script.byte())
        switch choice % 16 {
        case 0:
            try connect(client, in: &harness)
        case 1:
            let handshake = CoreHarness.handshake(
                token: client & 4 == 0 ? tokens[client & 1] : nil,
                project: client & 8 == 0 ? CoreHarness.project(UInt64(script.below(3))) : nil,
                fields: ["Sec-WebSocket-Extensions: permessage-deflate"])
            send(handshake, from: client >> 4, in: &harness)
        case 2, 3:
            send(script.take(script.below(256)), from: client, in: &harness)
        case 4, 5:
            let payload = script.take(script.below(128))
            send(WebSocketTesting.frame(0x81, payload), from: client, in: &harness)
        case 6:
            let first = script.byte()
            let payload = script.take(script.below(128))
            let isCompressed = first & 0x70 == 0x40 && client & 1 == 1
            send(
                WebSocketTesting.frame(first, isCompressed ? compressed(payload) : payload),
                from: client, in: &harness)
        case 7:
            join(script.byte(), from: client, in: &harness)
        case 8, 9:
            for event in 0..<script.below(8) {
                harness.notify(event: event, project: UInt64(client % 3))
            }
        case 10:
            harness.turn(milliseconds: UInt64(client))
        case 11:
            harness.pass(milliseconds: UInt64(client) * 256)
        case 12:
            guard let number = pick(client, in: harness) else { return }
            let capacity = script.byte()
            harness.setCapacity(capacity == 255 ? .max : Int(capacity), of: number)
        case 13:
            guard let number = pick(client, in: harness) else { return }
            if script.byte() & 1 == 0 {
                harness.receiveEnd(from: number)
            } else {
                harness.reset(number)
            }
        case 14:
            notifyRaw(script.take(script.below(200)), in: &harness)
        default:
            disturb(client, in: &harness)
        }
    }

    private static func pick(_ choice: Int, in harness: borrowing CoreHarness) -> Int? {
        harness.sockets.isEmpty ? nil : choice % harness.sockets.count
    }

    private static func connect(_ choice: Int, in harness: inout CoreHarness) throws {
        guard harness.sockets.count < connectionsMax else { return }
        let number = try harness.connectUnlessDropped(
            from: choice & 1 == 0 ? nil : "192.0.2.\(choice >> 2 & 3)",
            to: choice & 2 == 0 ? .public : .admin)
        guard let number, choice & 130 == 128 else { return }
        harness.core.beginTLS(harness.sockets[number].index)
    }

    private static func compressed(_ payload: [UInt8]) -> [UInt8] {
        var deflater = Deflater(windowBits: 15)
        var compressed = ByteBuffer()
        deflater.compress(payload.span, into: &compressed)
        return compressed.copy()
    }

    private static func send(_ bytes: [UInt8], from choice: Int, in harness: inout CoreHarness) {
        guard let number = pick(choice, in: harness) else { return }
        harness.receiveInTurn(bytes, from: number)
    }

    /// - Parameter choice: Project, whether the others are kept, and from where to resume.
    private static func join(_ choice: UInt8, from client: Int, in harness: inout CoreHarness) {
        let text =
            #"{"type":"join_project","project_id":"\#(CoreHarness.project(UInt64(choice & 3)))","#
            + #""keep":\#(choice & 4 == 4),"ref":\#(choice)"#
            + (choice & 8 == 8 ? #","since":"\#(choice)"}"# : "}")
        send(WebSocketTesting.frame(0x81, text), from: client, in: &harness)
    }

    private static func notifyRaw(_ payload: [UInt8], in harness: inout CoreHarness) {
        harness.core.notify(payload.span)
    }

    private static func disturb(_ choice: Int, in harness: inout CoreHarness) {
        switch choice % 12 {
        case 0: harness.loseDatabase()
        case 1: harness.core.database.answersQueries = true
        case 2: harness.database.answersAtOnce.toggle()
        case 3: harness.answerAll()
        case 4: harness.notifyRemoval(of: UInt64(choice >> 4 & 1), from: UInt64(choice >> 5 & 1))
        case 5: harness.notifyEnd(of: UInt64(choice >> 4 & 1))
        case 6:
            harness.core.listenerWasLost()
            harness.core.listenerBecameLive()
            harness.core.continueResync()
        case 7: EventLogSteps.hearCanary(cursor: UInt64(choice), in: &harness)
        case 8: EventLogSteps.answer(isComplete: choice & 16 == 0, in: &harness)
        case 9: EventLogSteps.fail(in: &harness)
        case 10: harness.core.eventLogIs(choice & 16 == 0 ? .usable : .absent)
        default:
            if choice > 240 { harness.core.beginDrain() } else { harness.heardEveryone.toggle() }
        }
    }

    /// Lets everyone read what is left, judges it, and resets them.
    private static func finish(_ harness: inout CoreHarness) {
        harness.heardEveryone = true
        harness.database.answersAtOnce = true
        harness.core.database.answersQueries = true
        for number in harness.sockets.indices { harness.setCapacity(.max, of: number) }
        harness.settle()
        while EventLogSteps.answer(isComplete: true, in: &harness) { harness.settle() }
        for number in harness.sockets.indices {
            PeerView.check(harness.sockets[number].taken, isCut: harness.isClosed(number))
        }
        for number in harness.sockets.indices { harness.reset(number) }
        harness.settle()
        precondition(harness.sockets.allSatisfy { $0.closeCount == 1 }, "not closed just once")
        precondition(harness.leftovers.isEmpty, "\(harness.leftovers)")
    }
}
