/// What a client makes of what it is told (docs/protocol.md): a state replaces everything, changes
/// need the number before theirs.
package struct PresenceView: Equatable {
    package private(set) var sequence: UInt64 = 0
    package private(set) var count = 0
    package private(set) var users: [String: String] = [:]
    package private(set) var isTruncated = false
    /// What no gateway may send.
    package private(set) var faults: [String] = []

    package init(_ texts: [String] = []) {
        for text in texts { hear(text) }
    }

    package mutating func hear(_ text: String) {
        let isState = text.hasPrefix(#"{"type":"presence_state""#)
        let number = UInt64(Self.number("seq", in: text))
        count = Self.number("count", in: text)
        if isState {
            if number < sequence { faults.append("a state from before: \(text)") }
            users = Self.users(in: Self.list("users", of: text))
            isTruncated = text.contains(#""truncated":true"#)
        } else {
            if number != sequence + 1 { faults.append("\(text) behind \(sequence)") }
            hearChanges(text)
        }
        sequence = number
        if !isTruncated, users.count != count { faults.append("\(users.count) in \(text)") }
    }

    private mutating func hearChanges(_ text: String) {
        let joined = Self.users(in: Self.list("joined", of: text))
        let changed = Self.users(in: Self.list("changed", of: text))
        let left = Self.list("left", of: text).split(separator: "\"").map(String.init)
            .filter { $0.count == 36 }
        if Set(joined.keys).union(changed.keys).union(left).count
            != joined.count + changed.count + left.count
        {
            faults.append("somebody stands twice in \(text)")
        }
        for user in joined.keys where users[user] != nil { faults.append("\(user) joined twice") }
        for user in left where users[user] == nil { faults.append("\(user) left, and wasn't here") }
        for (user, state) in changed where users[user] == nil || users[user] == state {
            faults.append("\(user) didn't change")
        }
        users.merge(joined) { $1 }
        users.merge(changed) { $1 }
        for user in left { users[user] = nil }
    }

    private static func number(_ key: String, in text: String) -> Int {
        let rest = text.split(separator: #""\#(key)":"#, maxSplits: 1)
        return rest.count == 2 ? Int(rest[1].prefix { $0.isNumber }) ?? -1 : -1
    }

    private static func list(_ key: String, of text: String) -> String {
        let rest = text.split(separator: #""\#(key)":["#, maxSplits: 1)
        return rest.count == 2 ? String(rest[1].prefix { $0 != "]" }) : ""
    }

    private static func users(in list: String) -> [String: String] {
        var users: [String: String] = [:]
        for entry in list.split(separator: "{") {
            let words = entry.split(separator: "\"").map(String.init)
            guard words.count >= 7 else { continue }
            users[words[2]] = words[6]
        }
        return users
    }
}
