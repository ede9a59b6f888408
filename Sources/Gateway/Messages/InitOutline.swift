internal import Reactor

/// Whether a text can be an `init`, as far as that can be seen without making a document of it.
enum InitOutline {
    /// What an `init` has to have in it, quotation marks included. Nobody writes it with escapes.
    private static let name: StaticString = "\"init\""

    /// Whether it is an object with few values in which the name of the type stands.
    static func fits(_ text: borrowing Span<UInt8>) -> Bool {
        JSONSize.beginsObject(text) && ByteSearch.contains(name, in: text)
            && !JSONSize.hasMoreValues(than: Limits.initValuesMax, in: text)
    }
}
