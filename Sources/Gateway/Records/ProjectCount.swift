/// How many connections look at a project.
package struct ProjectCount: Equatable, BitwiseCopyable, Sendable {
    package let project: ProjectID
    package let clients: UInt32

    package init(_ project: ProjectID, _ clients: UInt32) {
        self.project = project
        self.clients = clients
    }
}
