internal import Gateway
internal import GatewayHarness

// Direct messages: each to whom it is for, and in the end all of them.
extension Hearing {
    mutating func hearDirect(_ object: FlatObject) throws(Violation) {
        guard let id = Names.number(object["id"]), let from = Names.number(object["from"]),
            let to = Names.number(object["to"])
        else { throw Violation(.message, "\(object.members)") }
        guard asksForDirect || isLawless else {
            throw Violation(.direct, "message \(id) for one that never asked")
        }
        if let user, user != from, user != to {
            throw Violation(.direct, "message \(id) of \(from) to \(to) was given to \(user)")
        }
        if user == to { gotten.insert(id) }
        heard.insert([
            object["id"] ?? "", object["from"] ?? "", object["to"] ?? "", object["data"] ?? "",
        ])
    }

    /// A message that was sent is committed; an inbox that was asked for is read.
    mutating func hearDirectOutcome(_ direct: Expectation.DirectWish, isDone: Bool) {
        guard isDone else { return }
        if let id = direct.id { committed.append(id) }
        if direct.isInbox { getsDirect = true }
    }

    /// The oldest of those of which nothing was read, because the client has yet to say who it is.
    mutating func dropUnreadDirect() -> Bool {
        let unread = directs.filter { $0.value.isLong }.keys.min()
        guard let unread else { return false }
        directs[unread] = nil
        return true
    }

    /// Holds what it was told against the table.
    func checkDirect(_ table: ScriptedDirect) throws(Violation) {
        guard let user else { return }
        let rows = table.rows
        for id in committed {
            let isThere = rows.contains {
                $0.sender == Names.user(user) && $0.id == Names.message(id)
            }
            guard isThere else { throw Violation(.direct, "message \(id) isn't committed") }
        }
        for id in gotten {
            let isThere = rows.contains {
                $0.recipient == Names.user(user) && $0.id == Names.message(id)
            }
            guard isThere else { throw Violation(.direct, "message \(id) was never sent") }
        }
        let sent = Set(
            rows.map {
                [
                    "\($0.id)", "\($0.sender)", "\($0.recipient)",
                    String(decoding: $0.data, as: UTF8.self),
                ]
            })
        for message in heard where !sent.contains(message) {
            throw Violation(.direct, "\(message) isn't what was sent")
        }
        guard getsDirect else { return }
        for row in table.inbox(of: Names.user(user)) where !gotten.contains(Int(row.id.low)) {
            throw Violation(.direct, "message \(row.id.low) to \(user) never came")
        }
    }
}
