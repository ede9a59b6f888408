internal import Gateway
internal import Reactor

/// What the `id` of every message carries, 26 characters: `#`, the project's number in 5
/// hexadecimal digits, the message's number within the project in 7, the time of sending in
/// nanoseconds of the run in 12, and `#`. With it a client's message is 194 bytes.
///
/// No JSON encoder changes these characters, so a receiver finds them without parsing.
struct Marker: BitwiseCopyable {
    var project: UInt32
    /// Counts from 1.
    var sequence: UInt32
    var sentNanoseconds: UInt64

    static let count = 26
    static let projectsMax = 1 << 20

    /// `nil` when there is none in `text`.
    // Hot path.
    init?(in text: borrowing Span<UInt8>) {
        let start = ByteSearch.firstIndex(of: UInt8(ascii: "#"), in: 0..<text.count, of: text)
        guard let start, text.count - start >= Self.count,
            text[start + Self.count - 1] == UInt8(ascii: "#"),
            let project = Self.number(text, start + 1, digits: 5),
            let sequence = Self.number(text, start + 6, digits: 7),
            let time = Self.number(text, start + 13, digits: 12)
        else { return nil }
        self.project = UInt32(project)
        self.sequence = UInt32(sequence)
        sentNanoseconds = time
    }

    init(project: UInt32, sequence: UInt32, sentNanoseconds: UInt64) {
        self.project = project
        self.sequence = sequence
        self.sentNanoseconds = sentNanoseconds
    }

    /// The payload of a notification, as the database's triggers write it.
    func payload() -> String {
        let project = Self.projectID(self.project)
        return #"{"resource":"tasks","id":"\#(text)","action":"UPDATE","project_id":"\#(project)","#
            + #""timestamp":"2026-01-01T00:00:00Z"}"#
    }

    private var text: String {
        "#" + Self.hexadecimal(UInt64(project), 5) + Self.hexadecimal(UInt64(sequence), 7)
            + Self.hexadecimal(sentNanoseconds, 12) + "#"
    }

    /// The projects of a run have the numbers 0, 1, … and these identifiers.
    static func projectID(_ number: UInt32) -> ProjectID {
        ProjectID(high: 0xBE7C_4000_0000_4000, low: 0x8000_0000_0000_0000 | UInt64(number))
    }

    private static func hexadecimal(_ value: UInt64, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    private static func number(
        _ text: borrowing Span<UInt8>, _ start: Int, digits: Int
    ) -> UInt64? {
        var value: UInt64 = 0
        for index in start..<start + digits {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                value = value << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                value = value << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}
