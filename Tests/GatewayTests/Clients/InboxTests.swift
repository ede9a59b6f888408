import Gateway
import Reactor
import Testing

/// What waits inside: its bound, and what compressed messages become.
@Suite struct InboxBehaviour {
    private static let mebibyte = 1 << 20

    /// An inbox that lacks `room` bytes of being full, in blocks of powers of two.
    private static func inbox(room: Int, decompresses: Bool = false) -> Inbox {
        var inbox = Inbox(decompresses: decompresses, slots: 4)
        let bytes = [UInt8](repeating: 1, count: mebibyte)
        var left = Limits.inboxBytesMax - room
        while left > 0 {
            var entry = SegmentIndex.none
            let count = min(mebibyte, 1 << (Int.bitWidth - 1 - left.leadingZeroBitCount))
            let isKept = inbox.keep(bytes.span.extracting(0..<count), in: &entry)
            precondition(isKept)
            left -= count
        }
        precondition(inbox.byteCount == Limits.inboxBytesMax - room)
        return inbox
    }

    private static func text(of entry: SegmentIndex, in inbox: borrowing Inbox) -> String {
        var buffer = ByteBuffer()
        inbox.copy(entry, to: &buffer)
        return String(decoding: buffer)
    }

    // MARK: The bound

    @Test func `as much is kept as there is room for, and nothing of what is too much`() {
        var inbox = Self.inbox(room: Self.mebibyte)
        let bytes = [UInt8](repeating: 2, count: Self.mebibyte + 1)
        for (count, fits) in [(-1, true), (0, true), (1, false)] {
            let before = inbox.byteCount
            let span = bytes.span.extracting(0..<Self.mebibyte + count)
            var entry = SegmentIndex.none
            let isKept = inbox.keep(span, in: &entry)
            #expect(isKept == fits)
            #expect(inbox.count(of: entry) == (fits ? span.count : 0))
            inbox.release(&entry)
            #expect(inbox.byteCount == before)
        }
    }

    @Test func `a message that is put together keeps to the same bound`() {
        var inbox = Self.inbox(room: Self.mebibyte)
        let bytes = [UInt8](repeating: 2, count: Self.mebibyte)
        for (count, fits) in [(-1, true), (0, true), (1, false)] {
            var entry = SegmentIndex.none
            let isBegun = inbox.append([1].span, to: &entry)
            #expect(isBegun)
            let room = Limits.inboxBytesMax - inbox.byteCount
            let isAppended = inbox.append(bytes.span.extracting(0..<room + count), to: &entry)
            #expect(isAppended == fits)
            #expect(inbox.count(of: entry) == (fits ? 1 + room + count : 1))
            inbox.release(&entry)
        }
    }

    @Test func `what is released leaves nothing behind, and nothing is released for nothing`() {
        var inbox = Inbox(decompresses: false, slots: 4)
        var entry = SegmentIndex.none
        inbox.release(&entry)
        #expect(inbox.count(of: entry) == 0)
        for piece in ["one ", "and ", "another"] {
            let isAppended = inbox.append(Array(piece.utf8).span, to: &entry)
            #expect(isAppended)
        }
        #expect(Self.text(of: entry, in: inbox) == "one and another")
        #expect(inbox.segmentCount == 1)
        inbox.release(&entry)
        #expect(entry == .none)
        #expect(inbox.segmentCount == 0 && inbox.byteCount == 0)
    }

    // MARK: Compressed messages

    private static func compressed(_ text: [UInt8]) -> [UInt8] {
        var deflater = Deflater(windowBits: 12)
        var buffer = ByteBuffer()
        deflater.compress(text.span, into: &buffer)
        return buffer.copy()
    }

    private static func decompress(
        _ payload: [UInt8], opcode: Opcode = .text, of client: ClientIndex? = nil,
        bytesMax: Int = 1_024, _ inbox: inout Inbox
    ) -> Inbox.Decompressed {
        inbox.decompress(payload.span, opcode: opcode, of: client, bytesMax: bytesMax)
    }

    private static func code(_ decompressed: Inbox.Decompressed) -> UInt16? {
        guard case .failure(let code, _) = decompressed else { return nil }
        return code.rawValue
    }

    @Test(arguments: [0, 1, 500, 1_024])
    func `a compressed message is kept as it was`(count: Int) throws {
        var inbox = Inbox(decompresses: true, slots: 4)
        let text = String(repeating: "a", count: count)
        let outcome = Self.decompress(Self.compressed(Array(text.utf8)), &inbox)
        guard case .message(var entry) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(Self.text(of: entry, in: inbox) == text)
        inbox.release(&entry)
        #expect(inbox.segmentCount == 0)
    }

    @Test func `a bomb is unpacked no further than a message may be long`() {
        var inbox = Inbox(decompresses: true, slots: 4)
        let codes: [(Int, UInt16?)] = [
            (1_023, nil), (1_024, nil), (1_025, 1_009), (50 << 20, 1_009),
        ]
        for (count, code) in codes {
            let zeros = [UInt8](repeating: 0, count: count)
            let outcome = Self.decompress(Self.compressed(zeros), &inbox)
            #expect(Self.code(outcome) == code, "\(count) bytes")
        }
    }

    @Test func `what can't be decompressed, or is no text, fails with 1007 and is not kept`() {
        var inbox = Inbox(decompresses: true, slots: 4)
        let corrupt = Self.decompress([0xFF, 0xFF, 0xFF], &inbox)
        #expect(Self.code(corrupt) == 1_007)
        let illFormed = Self.decompress(Self.compressed([0x61, 0xFF]), &inbox)
        #expect(Self.code(illFormed) == 1_007)
        let cut = Self.decompress(Self.compressed([0x61, 0xC3]), &inbox)
        #expect(Self.code(cut) == 1_007)
        #expect(inbox.segmentCount == 0)
        let binary = Self.decompress(Self.compressed([0x61, 0xFF]), opcode: .binary, &inbox)
        #expect(Self.code(binary) == nil)
        #expect(inbox.segmentCount == 1)
    }

    /// The bound was compared without the message, which could go beyond it by its whole length.
    @Test func `a decompressed message keeps to the bound like any other`() {
        for (count, fits) in [(1_023, true), (1_024, true), (1_025, false)] {
            var inbox = Self.inbox(room: 1_024, decompresses: true)
            let text = [UInt8](repeating: 0x61, count: count)
            let outcome = Self.decompress(Self.compressed(text), bytesMax: 4_096, &inbox)
            switch outcome {
            case .message: #expect(fits)
            case .full: #expect(!fits)
            case .failure(let code, _): Issue.record("\(code)")
            }
        }
    }

    // MARK: Contexts

    /// `abcdef`, its first four bytes from before, as zlib writes it.
    private static let fourFromFourBack: [UInt8] = [0x02, 0xE1, 0xD4, 0x34, 0x00, 0x00]

    @Test func `a message may refer to what the same client has sent before`() throws {
        var inbox = Inbox(decompresses: true, slots: 4)
        let alone = Self.decompress(Self.fourFromFourBack, of: 1, &inbox)
        #expect(Self.code(alone) == 4203)
        guard
            case .message(var first) = Self.decompress(
                Self.compressed(Array("xabcd".utf8)), of: 1, &inbox)
        else {
            Issue.record("it isn't read")
            return
        }
        inbox.release(&first)
        let another = Self.decompress(Self.fourFromFourBack, of: 2, &inbox)
        #expect(Self.code(another) == 4203, "another client's bytes")
        let promised = Self.decompress(Self.fourFromFourBack, of: nil, &inbox)
        #expect(Self.code(promised) == 4203)
        guard case .message(var second) = Self.decompress(Self.fourFromFourBack, of: 1, &inbox)
        else {
            Issue.record("its own bytes are gone")
            return
        }
        var text = ByteBuffer()
        inbox.copy(second, to: &text)
        #expect(text.copy() == Array("abcdef".utf8))
        inbox.release(&second)
        inbox.forgetHistory(of: 1)
        #expect(inbox.segmentCount == 0)
    }

    @Test func `of what a client sends a window's worth is kept, however much it sends`() throws {
        var inbox = Inbox(decompresses: true, slots: 4)
        var random = Jitter(seed: 7)
        for _ in 0..<100 {
            let text = (0..<900).map { _ in UInt8(ascii: "a") + UInt8(random.next() % 26) }
            guard
                case .message(var message) = Self.decompress(
                    Self.compressed(text), of: 0, bytesMax: 2_048, &inbox)
            else {
                Issue.record("it isn't read")
                return
            }
            inbox.release(&message)
            #expect(inbox.segmentCount == 1)
            #expect(inbox.byteCount <= 2 * DeflateOffer.clientWindowBytes)
        }
    }
}
