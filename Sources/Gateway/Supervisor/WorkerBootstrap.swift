internal import Reactor

/// What a worker process has from its parent, besides the settings in its environment.
package struct WorkerBootstrap: ~Copyable {
    /// Counted from 1; a worker that takes a dead one's place has its number.
    package let number: Int
    /// Listens for the parent's questions, in place of the address for operators.
    let adminSocket: OwnedDescriptor
    /// Who this process is on the bus, and the socket that carries it; without a bus, `nil`.
    let bus: BusIdentity?
    let busSocket: OwnedDescriptor?
    /// By which the parent says who has the sessions with the database; `nil` where each worker has its own.
    let sessionSocket: OwnedDescriptor?

    /// Takes the place that the parent prepared. `nil` in a process that no parent has started, or
    /// whose parent has ended already.
    ///
    /// - Parameters:
    ///   - parent: the parent's process id.
    ///   - bus: who it is on the bus.
    ///   - sharesSessions: whether one worker has the sessions with the database.
    package init?(number: Int, parent: Int32, bus: BusIdentity?, sharesSessions: Bool) {
        CurrentProcess.dieWithParent()
        guard CurrentProcess.parentID == parent, let socket = InheritedSocket.listener() else {
            return nil
        }
        CurrentProcess.setName("devhive-worker")
        self.number = number
        adminSocket = socket
        busSocket = bus == nil ? nil : InheritedSocket.packets()
        self.bus = busSocket == nil ? nil : bus
        sessionSocket = sharesSessions ? InheritedSocket.packets(behind: 2) : nil
    }
}
