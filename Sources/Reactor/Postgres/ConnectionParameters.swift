/// What PQconnectStartParams gets: every host name in it comes with its address, so that libpq
/// looks none up. Holds the password; shows none.
public struct ConnectionParameters: Sendable {
    /// In the order in which libpq gets them.
    let options: [ConnectionString.Option]

    func withCArrays<Result>(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) ->
            Result
    ) -> Result {
        unsafe withCStrings(options.map(\.keyword)) { keywords in
            unsafe withCStrings(options.map(\.value)) { values in
                unsafe body(keywords, values)
            }
        }
    }
}

extension ConnectionParameters: CustomStringConvertible, CustomReflectable {
    public var description: String {
        options.map(\.description).joined(separator: " ")
    }

    public var customMirror: Mirror {
        Mirror(reflecting: description)
    }
}
