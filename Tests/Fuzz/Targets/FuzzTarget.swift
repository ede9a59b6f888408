/// What is fuzzed: each case has an entry function that takes any bytes and traps if something
/// doesn't hold. libFuzzer calls them (`scripts/fuzz`), and the tests do with every file of the
/// corpora, so that an input that was found once stays a test.
package enum FuzzTarget: String, CaseIterable, Sendable {
    case httpHead = "http-head"
    case frames
    case clientMessage = "client-message"
    case token
    case notification
    case cursor
    case proxyHeader = "proxy-header"
    case busFrame = "bus-frame"
    case directHint = "direct-hint"
    case busEnvelope = "bus-envelope"
    case connection

    package func run(_ input: [UInt8]) {
        switch self {
        case .httpHead: HTTPHeadTarget.run(input)
        case .frames: FramesTarget.run(input)
        case .clientMessage: ClientMessageTarget.run(input)
        case .token: TokenTarget.run(input)
        case .notification: NotificationTarget.run(input)
        case .cursor: CursorTarget.run(input)
        case .proxyHeader: ProxyHeaderTarget.run(input)
        case .busFrame: BusFrameTarget.run(input)
        case .directHint: DirectHintTarget.run(input)
        case .busEnvelope: BusEnvelopeTarget.run(input)
        case .connection: ConnectionTarget.run(input)
        }
    }
}
