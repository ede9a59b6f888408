internal import Reactor

/// A few things that epoll events belong to, of any kind, with handles that go stale as those of a
/// `Slab` do. For cold paths: the elements are in an ordinary array.
struct HandleTable<Element> {
    private struct Slot {
        var element: Element?
        var generation: UInt32 = 0
    }

    private let kind: UInt8
    private let capacity: Int
    private var slots: [Slot] = []
    private(set) var count = 0

    init(kind: UInt8, capacity: Int) {
        self.kind = kind
        self.capacity = capacity
    }

    var isFull: Bool { count == capacity }

    /// The table must not be full.
    mutating func insert(_ element: Element) -> Handle {
        precondition(!isFull)
        count += 1
        let index = slots.firstIndex { $0.element == nil } ?? slots.count
        if index == slots.count { slots.append(Slot()) }
        slots[index].element = element
        slots[index].generation = (slots[index].generation + 1) & Handle.generationMask
        return handle(at: index)
    }

    /// `nil` for a handle that is stale, also when one is set.
    subscript(handle: Handle) -> Element? {
        get { index(of: handle).flatMap { slots[$0].element } }
        set {
            guard let index = index(of: handle) else { return }
            if newValue == nil { count -= 1 }
            slots[index].element = newValue
        }
    }

    /// The handles of everything that is there now.
    var handles: [Handle] {
        slots.indices.filter { slots[$0].element != nil }.map(handle(at:))
    }

    private func handle(at index: Int) -> Handle {
        Handle(kind: kind, index: UInt32(index), generation: slots[index].generation)
    }

    private func index(of handle: Handle) -> Int? {
        let index = Int(handle.index)
        guard index < slots.count, slots[index].generation == handle.generation,
            slots[index].element != nil
        else { return nil }
        return index
    }
}
