package import Reactor

/// What a client offers of permessage-deflate (RFC 7692 §7.1), and what is answered.
///
/// The server carries nothing over from one message to the next, so a broadcast is compressed once
/// for everybody; and it asks the same of every client (§7.1.1.2). Only one that offered to has promised it:
/// there are clients that pay no heed, so for all others the end of what they have sent is kept.
package struct DeflateOffer: BitwiseCopyable, Equatable, Sendable {
    /// Whether the client named the server's largest window: then the answer must name it too.
    package let limitsServerWindow: Bool
    /// Whether the client has promised to begin each message anew.
    package let promisesNoContextTakeover: Bool
    /// The base-two logarithm of the window that the client is told to take; zero for one that can't be
    /// told.
    package let clientWindowBits: Int

    /// The base-two logarithm of the server's window. Our messages are shorter than 512 bytes, so a
    /// larger one would find nothing more in them; and this one is within what a client may ask for,
    /// but for 8, of which zlib isn't capable.
    package static let serverWindowBits = 9
    /// The same of the client's window: its messages are short and alike, so that what one refers to is
    /// mostly in the one before.
    package static let clientWindowBits = 10
    /// Bytes as far back as a message may refer (RFC 1951 §2), where a client can't be told.
    package static let clientWindowBytes = 32_768

    /// The first offer that can be accepted; `nil` if there is none. Offers with parameters that the
    /// standard doesn't know, or with values that it doesn't allow, can't be (§7.1).
    ///
    /// Throws if the header field isn't of the form that RFC 6455 §9.1 gives it.
    package static func first(
        of head: RequestHead, in bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> DeflateOffer? {
        guard head.webSocketExtensions.isPresent else { return nil }
        do throws(ExtensionOffers.Malformed) {
            if head.webSocketExtensions.count == 1 {
                return try first(of: head.webSocketExtensions.range, in: bytes)
            }
            var lines = FieldLines(of: head)
            var offer: DeflateOffer?
            while let line = lines.next(in: bytes) {
                guard
                    ASCII.isEqualIgnoringCase(bytes, line.name, to: "sec-websocket-extensions")
                else { continue }
                let found = try first(of: line.value, in: bytes)
                offer = offer ?? found
            }
            return offer
        } catch {
            throw .badRequest("the Sec-WebSocket-Extensions header is malformed")
        }
    }

    /// Appends the value of the answer's `Sec-WebSocket-Extensions`.
    package func writeAnswer(into buffer: inout ByteBuffer) {
        buffer.append("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        if limitsServerWindow {
            buffer.append("; server_max_window_bits=")
            buffer.append(decimal: UInt64(Self.serverWindowBits))
        }
        if clientWindowBits > 0 {
            buffer.append("; client_max_window_bits=")
            buffer.append(decimal: UInt64(clientWindowBits))
        }
    }

    private static func first(
        of value: Range<Int>, in bytes: borrowing Span<UInt8>
    ) throws(ExtensionOffers.Malformed) -> DeflateOffer? {
        var offers = ExtensionOffers(of: value)
        var best: DeflateOffer?
        var current: DeflateParameters?
        while true {
            switch try offers.next(in: bytes) {
            case .name(let name):
                best = best ?? current?.offer
                current =
                    ASCII.isEqual(bytes, name, to: "permessage-deflate") ? DeflateParameters() : nil
            case .parameter(let name, let value):
                current?.parse(name, value, in: bytes)
            case .end:
                return best ?? current?.offer
            }
        }
    }
}

/// The parameters of one offer (RFC 7692 §7.1).
private struct DeflateParameters: BitwiseCopyable {
    private var isAcceptable = true
    private var limitsServerWindow = false
    private var clientWindowBits = 0
    private var seen: Names = []

    private struct Names: OptionSet, BitwiseCopyable {
        let rawValue: UInt8

        static let serverNoContextTakeover = Names(rawValue: 1 << 0)
        static let clientNoContextTakeover = Names(rawValue: 1 << 1)
        static let serverWindowBits = Names(rawValue: 1 << 2)
        static let clientWindowBits = Names(rawValue: 1 << 3)
    }

    var offer: DeflateOffer? {
        guard isAcceptable else { return nil }
        return DeflateOffer(
            limitsServerWindow: limitsServerWindow,
            promisesNoContextTakeover: seen.contains(.clientNoContextTakeover),
            clientWindowBits: clientWindowBits)
    }

    mutating func parse(
        _ name: Range<Int>, _ value: Range<Int>?, in bytes: borrowing Span<UInt8>
    ) {
        let parameter: Names
        let isValid: Bool
        if ASCII.isEqual(bytes, name, to: "server_no_context_takeover") {
            parameter = .serverNoContextTakeover
            isValid = value == nil
        } else if ASCII.isEqual(bytes, name, to: "client_no_context_takeover") {
            parameter = .clientNoContextTakeover
            isValid = value == nil
        } else if ASCII.isEqual(bytes, name, to: "server_max_window_bits") {
            parameter = .serverWindowBits
            limitsServerWindow = true
            isValid = Self.windowBits(value, in: bytes) >= DeflateOffer.serverWindowBits
        } else if ASCII.isEqual(bytes, name, to: "client_max_window_bits") {
            // Says that the client can be told to take a smaller window, and may say how large its
            // own is, beyond which the answer may not go.
            parameter = .clientWindowBits
            let own =
                value == nil ? DeflateOffer.clientWindowBits : Self.windowBits(value, in: bytes)
            clientWindowBits = min(own, DeflateOffer.clientWindowBits)
            isValid = own > 0
        } else {
            isAcceptable = false
            return
        }
        if !isValid || seen.contains(parameter) { isAcceptable = false }
        seen.insert(parameter)
    }

    /// A number from 8 to 15 without leading zeros (§7.1.2); zero for anything else.
    private static func windowBits(_ value: Range<Int>?, in bytes: borrowing Span<UInt8>) -> Int {
        guard let value, value.count <= 2 else { return 0 }
        var bits = 0
        for index in value {
            guard ASCII.isDigit(bytes[index]) else { return 0 }
            bits = bits * 10 + Int(bytes[index] - UInt8(ascii: "0"))
        }
        let hasLeadingZero = bytes[value.lowerBound] == UInt8(ascii: "0")
        return (8...15).contains(bits) && !hasLeadingZero ? bits : 0
    }
}
