// The connections of a user in a room, one after the other: 0 names the one that stands with the user,
// any other number a tab.
extension Presence {
    package typealias Watch = UInt32

    /// The first connection of the user; `nil` when there is none.
    func firstWatch(of position: Int, in raw: UInt32) -> Watch? {
        let user = self[raw][position]
        if user.client != PresentUser.none { return 0 }
        return user.more == 0 ? nil : user.more
    }

    func nextWatch(after watch: Watch, of position: Int, in raw: UInt32) -> Watch? {
        let next = watch == 0 ? self[raw][position].more : tabs.next(after: watch)
        return next == 0 ? nil : next
    }

    func client(of watch: Watch, _ position: Int, _ raw: UInt32) -> ClientIndex {
        watch == 0 ? self[raw][position].client : tabs.client(of: watch)
    }

    func marks(of watch: Watch, _ position: Int, _ raw: UInt32) -> WatchMarks {
        watch == 0 ? self[raw][position].watch : tabs[watch]
    }

    mutating func setMarks(_ marks: WatchMarks, of watch: Watch, _ position: Int, _ raw: UInt32) {
        let had = self.marks(of: watch, position, raw).contains(.hasState)
        let has = marks.contains(.hasState)
        if has, !had { self[raw].followerCount += 1 }
        if had, !has { self[raw].followerCount -= 1 }
        if watch == 0 { self[raw][position].watch = marks } else { tabs[watch] = marks }
    }

    func watch(of client: ClientIndex, _ position: Int, _ raw: UInt32) -> Watch? {
        var next = firstWatch(of: position, in: raw)
        while let watch = next {
            if self.client(of: watch, position, raw) == client { return watch }
            next = nextWatch(after: watch, of: position, in: raw)
        }
        return nil
    }

    func watchCount(of position: Int, in raw: UInt32) -> Int {
        var count = 0
        var next = firstWatch(of: position, in: raw)
        while let watch = next {
            count += 1
            next = nextWatch(after: watch, of: position, in: raw)
        }
        return count
    }

    /// Adds a connection to the user, who has room for it.
    mutating func addWatch(
        _ client: ClientIndex, _ marks: WatchMarks, to position: Int, _ raw: UInt32
    ) {
        if self[raw][position].client == PresentUser.none {
            self[raw][position].client = client
            self[raw][position].watch = marks
        } else {
            self[raw][position].more = tabs.insert(client, marks, before: self[raw][position].more)
        }
        changeShare(of: client) { $0.count += 1 }
    }

    mutating func removeWatch(_ watch: Watch, of position: Int, _ raw: UInt32) {
        let client = client(of: watch, position, raw)
        setMarks(
            marks(of: watch, position, raw).subtracting(.hasState), of: watch, position, raw)
        if watch == 0 {
            self[raw][position].client = PresentUser.none
        } else {
            var first = self[raw][position].more
            tabs.remove(watch, from: &first)
            self[raw][position].more = first
        }
        changeShare(of: client) {
            $0.count -= 1
            if $0.count == 0 { $0.isBehind = false }
        }
    }
}
