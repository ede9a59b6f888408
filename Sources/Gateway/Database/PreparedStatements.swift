internal import Reactor

/// Which statements the server has read under names, so that it needn't read and plan them anew each time.
///
/// A statement is read under a name when it is asked for the first time, behind its guard, as it would be read
/// without one. Until the server has said that it has, others like it go without a name.
struct PreparedStatements: Sendable {
    /// What is sent for a statement, in this order.
    struct Steps: OptionSet, BitwiseCopyable, Sendable {
        let rawValue: UInt8

        /// All names are given up.
        static let forget = Steps(rawValue: 1)
        /// The guard's tables are locked.
        static let lock = Steps(rawValue: 2)
        /// The guard's look is read under its name.
        static let readCheck = Steps(rawValue: 4)
        static let check = Steps(rawValue: 8)
        /// The statement is read under its name. It is run last of all, with or without one.
        static let read = Steps(rawValue: 16)

        var first: Steps { Steps(rawValue: rawValue & (~rawValue &+ 1)) }
    }

    /// How a statement is sent.
    struct Form: Sendable {
        var ahead: Steps = []
        /// `nil`: without a name.
        var checkName: String?
        var statementName: String?
        /// Which names these are: after a change there are others.
        var generation: UInt64 = 0
    }

    /// The texts of a statement and its guard.
    struct Texts: Equatable, Sendable {
        let statement: String
        let lock: String?
        /// `nil`: it has no guard, and no name.
        let check: String?

        /// The first statement of a session that must see all rows or fail.
        static let pathThatSeesAll = Texts(
            statement: SearchPath.pinWithoutRowSecurity, lock: nil, check: nil)
    }

    private enum State: Sendable {
        case unread, asked, read
        /// It was refused: it goes without a name until all names are given up.
        case refused
    }

    private struct Entry: Sendable {
        var texts: Texts
        var check = State.unread
        var statement = State.unread
    }

    /// By the raw values of the kinds.
    private var entries: [Entry]
    private var generation: UInt64 = 0
    /// Whether the server may know names that aren't used any more.
    private var isCluttered = true

    init(_ catalogue: ResourceCatalogue) {
        entries = DatabaseQuery.allCases.map { Entry(texts: catalogue.texts(of: $0)) }
    }

    func texts(of query: DatabaseQuery) -> Texts { entries[Int(query.rawValue)].texts }

    /// There are other names from now on, and none of them is known to the server.
    private mutating func begin() {
        generation &+= 1  // 2^64 don't happen.
        isCluttered = true
        for index in entries.indices {
            entries[index].check = .unread
            entries[index].statement = .unread
        }
    }

    /// There is another session. A pool may give one that somebody has used before.
    mutating func sessionBegins() { begin() }

    /// The catalogue was read. Where it says something else, statements have other texts.
    mutating func catalogueIs(_ catalogue: ResourceCatalogue) {
        var hasChanged = false
        for query in DatabaseQuery.allCases {
            let texts = catalogue.texts(of: query)
            guard texts != entries[Int(query.rawValue)].texts else { continue }
            entries[Int(query.rawValue)].texts = texts
            hasChanged = true
        }
        if hasChanged { begin() }
    }

    /// A statement is to be sent.
    mutating func send(_ query: DatabaseQuery) -> Form {
        var form = Form()
        if query == .resources, isCluttered {
            begin()
            isCluttered = false
            form.ahead.insert(.forget)
        }
        form.generation = generation
        let index = Int(query.rawValue)
        guard entries[index].texts.check != nil else { return form }
        form.ahead.insert(.check)
        if entries[index].texts.lock != nil { form.ahead.insert(.lock) }
        if entries[index].check == .unread {
            entries[index].check = .asked
            form.ahead.insert(.readCheck)
        }
        if entries[index].statement == .unread {
            entries[index].statement = .asked
            form.ahead.insert(.read)
        }
        if form.ahead.contains(.readCheck) || entries[index].check == .read {
            form.checkName = "c\(index).\(generation)"
        }
        if form.ahead.contains(.read) || entries[index].statement == .read {
            form.statementName = "s\(index).\(generation)"
        }
        return form
    }

    /// The server has done the step.
    mutating func did(_ step: Steps, of query: DatabaseQuery, in generation: UInt64) {
        guard generation == self.generation else { return }
        let index = Int(query.rawValue)
        if step == .readCheck { entries[index].check = .read }
        if step == .read { entries[index].statement = .read }
    }

    /// The server hasn't, and won't do the steps that were still to come.
    ///
    /// - Parameter isFinal: a statement that is kept may fail for as long as it is: a column may have got another
    ///   type.
    mutating func failed(
        _ query: DatabaseQuery, before steps: Steps, in generation: UInt64, isFinal: Bool
    ) {
        guard generation == self.generation else { return }
        let index = Int(query.rawValue)
        if steps.contains(.readCheck) { entries[index].check = .unread }
        if steps.contains(.read) { entries[index].statement = .unread }
        guard isFinal else { return }
        entries[index].check = .refused
        entries[index].statement = .refused
        isCluttered = true
    }
}

extension PostgresConnection {
    /// Queues a statement and what goes ahead of it; the sync is the caller's.
    mutating func send(
        _ texts: PreparedStatements.Texts, as form: PreparedStatements.Form,
        _ parameters: borrowing QueryParameters
    ) throws(PostgresError) {
        if form.ahead.contains(.forget) { try send("DEALLOCATE ALL", QueryParameters()) }
        if let lock = texts.lock { try prepare(lock, as: "") }
        if let check = texts.check {
            if let name = form.checkName {
                if form.ahead.contains(.readCheck) { try prepare(check, as: name) }
                try send(prepared: name)
            } else {
                try send(check, QueryParameters())
            }
        }
        if let name = form.statementName {
            if form.ahead.contains(.read) { try prepare(texts.statement, as: name) }
            try send(prepared: name, parameters)
        } else {
            try send(texts.statement, parameters)
        }
    }
}
