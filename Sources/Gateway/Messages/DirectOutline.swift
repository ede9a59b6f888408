internal import Reactor

/// Whether a long text can be about direct messages, as far as that can be seen without making a document of it.
enum DirectOutline {
    /// Whether it is an object with not too many values in which the name of such a type stands, quotation marks
    /// included. Nobody writes it with escapes.
    static func fits(_ text: borrowing Span<UInt8>) -> Bool {
        JSONSize.beginsObject(text)
            && (ByteSearch.contains("\"direct\"", in: text)
                || ByteSearch.contains("\"ack\"", in: text))
            && !JSONSize.hasMoreValues(than: Limits.directValuesMax, in: text)
    }
}
