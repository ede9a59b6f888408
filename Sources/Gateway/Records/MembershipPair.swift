/// What is asked about: is this user a member of this project?
package struct MembershipPair: Hashable, BitwiseCopyable, Sendable {
    package let project: ProjectID
    package let user: UserID

    package init(project: ProjectID, user: UserID) {
        self.project = project
        self.user = user
    }
}
