internal import Reactor

/// What a worker process has from its parent, besides the settings in its environment.
package struct WorkerBootstrap: ~Copyable {
    /// Counted from 1; a worker that takes a dead one's place has its number.
    package let number: Int
    /// Listens for the parent's questions, in place of the address for operators.
    let adminSocket: OwnedDescriptor

    /// Takes the place that the parent prepared. `nil` in a process that no parent has started, or
    /// whose parent has ended already.
    ///
    /// - Parameter parent: the parent's process id.
    package init?(number: Int, parent: Int32) {
        CurrentProcess.dieWithParent()
        guard CurrentProcess.parentID == parent, let socket = InheritedSocket.listener() else {
            return nil
        }
        CurrentProcess.setName("devhive-worker")
        self.number = number
        adminSocket = socket
    }
}
