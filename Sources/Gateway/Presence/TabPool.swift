/// The connections of users beside the first one of each, in lists by index.
struct TabPool {
    private struct Tab: BitwiseCopyable {
        var client: ClientIndex
        var next: UInt32
        var watch: WatchMarks
    }

    private var tabs: [Tab] = []
    private var firstFree: UInt32 = 0
    private(set) var count = 0

    /// Index 0 stands for none.
    mutating func insert(_ client: ClientIndex, _ watch: WatchMarks, before next: UInt32) -> UInt32
    {
        let tab = Tab(client: client, next: next, watch: watch)
        count += 1
        if firstFree != 0 {
            let index = firstFree
            firstFree = tabs[Int(index)].next
            tabs[Int(index)] = tab
            return index
        }
        if tabs.isEmpty { tabs.append(Tab(client: .max, next: 0, watch: [])) }
        tabs.append(tab)
        return UInt32(tabs.count - 1)
    }

    /// Takes the tab out of the list that begins with `first`, which is changed if it was that one.
    mutating func remove(_ index: UInt32, from first: inout UInt32) {
        let next = tabs[Int(index)].next
        if first == index {
            first = next
        } else {
            var previous = first
            while tabs[Int(previous)].next != index { previous = tabs[Int(previous)].next }
            tabs[Int(previous)].next = next
        }
        tabs[Int(index)] = Tab(client: .max, next: firstFree, watch: [])
        firstFree = index
        count -= 1
        guard count == 0 else { return }
        tabs = []
        firstFree = 0
    }

    func client(of index: UInt32) -> ClientIndex { tabs[Int(index)].client }
    func next(after index: UInt32) -> UInt32 { tabs[Int(index)].next }

    subscript(index: UInt32) -> WatchMarks {
        get { tabs[Int(index)].watch }
        set { tabs[Int(index)].watch = newValue }
    }
}
