extension Span<UInt8> {
    /// Whether the bytes are exactly those of `text`.
    ///
    /// Hot path.
    package func isEqual(to text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count {
            guard unsafe self[index] == text.utf8Start[index] else { return false }
        }
        return true
    }
}
