internal import Gateway

/// Ids of the users and projects that scripts speak of by number.
enum Names {
    static func project(_ number: Int) -> ProjectID { ProjectID(high: 1, low: UInt64(number)) }
    static func user(_ number: Int) -> UserID { UserID(high: 2, low: UInt64(number)) }

    static func message(_ number: Int) -> UUID { UUID(high: 3, low: UInt64(number)) }

    /// The number of an id in text form.
    static func number(_ id: String?) -> Int? {
        id?.split(separator: "-").last.flatMap { Int($0, radix: 16) }
    }
}
