internal import CEpollShim

/// Calls `body` with the texts as an array of C strings, one `nil` behind them; they are freed after
/// it. For the few calls of libpq that take such arrays.
@unsafe func withCStrings<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    let pointers = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: texts.count + 1)
    for (index, text) in texts.enumerated() {
        guard let copy = unsafe strdup(text) else { preconditionFailure("out of memory") }
        unsafe (pointers + index).initialize(to: UnsafePointer(copy))
    }
    unsafe (pointers + texts.count).initialize(to: nil)
    defer {
        for index in texts.indices {
            unsafe free(UnsafeMutablePointer(mutating: pointers[index]))
        }
        unsafe pointers.deallocate()
    }
    return unsafe body(UnsafePointer(pointers))
}
