internal import Reactor

// Who is present and who types: what clients say of themselves, and what follows when they go. What
// they are told is in `Core+PresenceNews`.
extension Core {
    // MARK: What clients say

    mutating func setPresence(_ message: ClientMessage, _ index: ClientIndex) {
        guard let project = presenceProject(of: message, index) else { return }
        let wish = message.wish
        let user = clients[index].user
        guard wish.mode != .off else {
            endPresence(of: index, in: project, graceNanoseconds: nil)
            confirm(message.reference, to: index)
            return
        }
        let isFirst = !presence.concerns(project)
        let outcome = presence.set(
            wish, of: index, user, in: project,
            isSuspended: hub.isSuspended(index, in: project), clock.now)
        guard outcome == .done else {
            metrics.presenceRefused += 1
            sendError(
                .unavailable, "too many are present at the moment", message.reference, to: index)
            return
        }
        if isFirst { bringPeople(into: project) }
        if presence.isHidden(user, in: project) { typing.end(of: user, in: project, clock.now) }
        confirm(message.reference, to: index)
    }

    mutating func setTyping(_ message: ClientMessage, _ index: ClientIndex) {
        guard let project = presenceProject(of: message, index) else { return }
        let user = clients[index].user
        if message.stopsTyping {
            typing.stop(user, in: project, clients.inbox.token, clock.now)
        } else if hub.isUnverified(index, of: project) || presence.isHidden(user, in: project)
            || settings.presence == .count
        {
            metrics.typingSigns[.hidden] += 1
        } else {
            let outcome = typing.sign(
                of: user, by: index, in: project, clients.inbox.token, clock.now)
            metrics.typingSigns[outcome] += 1
        }
        confirm(message.reference, to: index)
    }

    /// The project of a message about presence; `nil`, and an answer, when the client can't speak of it.
    private mutating func presenceProject(
        of message: ClientMessage, _ index: ClientIndex
    ) -> ProjectID? {
        guard let project = message.project else {
            preconditionFailure("a message about presence without a project was let through")
        }
        guard settings.presence != .off else {
            sendError(
                .presenceOff, "this server does not tell who is present", message.reference,
                to: index)
            return nil
        }
        guard hub.isMember(index, of: project) else {
            sendError(
                .notSubscribed, "the connection is not in this project", message.reference,
                to: index)
            return nil
        }
        return project
    }

    // MARK: Those who go

    /// The connection leaves the projects that it takes part in, all but one. Before the hub forgets
    /// that it is in them.
    mutating func endPresence(of index: ClientIndex, except kept: ProjectID? = nil) {
        endPresence(of: index, except: kept, graceNanoseconds: nil)
    }

    /// The connection is over: with a goodbye its user may be gone, without one it may come back.
    mutating func endPresenceAtClose(of index: ClientIndex) {
        let code = CloseCode(rawValue: clients[index].closeCode)
        let isGoodbye = code == .normal || code == .noStatusReceived
        endPresence(
            of: index, except: nil, graceNanoseconds: isGoodbye ? nil : presenceGraceNanoseconds)
    }

    private mutating func endPresence(
        of index: ClientIndex, except kept: ProjectID?, graceNanoseconds: UInt64?
    ) {
        guard presence.takesPart(index) || !typing.isEmpty else { return }
        for project in hub.projects(of: index) where project != kept {
            endPresence(of: index, in: project, graceNanoseconds: graceNanoseconds)
        }
    }

    /// The connection doesn't take part in the project any more; nothing when it didn't.
    mutating func endPresence(
        of index: ClientIndex, in project: ProjectID, graceNanoseconds: UInt64?
    ) {
        presence.leave(
            index, clients[index].user, project, graceNanoseconds: graceNanoseconds, clock.now)
        typing.end(by: index, in: project, clock.now)
    }

    /// During a drain all are told to come back within a window, to whichever gateway.
    private var presenceGraceNanoseconds: UInt64 {
        guard drain != nil else { return Limits.presenceGraceNanoseconds }
        return Limits.presenceGraceNanoseconds + UInt64(reconnectWindowMilliseconds) * 1_000_000
    }

    /// The user's membership was announced to have ended, and is being verified: nobody sees the user
    /// from here on.
    mutating func suspendPresence(of pair: MembershipPair) {
        presence.suspend(pair.user, in: pair.project, clock.now)
        typing.end(of: pair.user, in: pair.project, clock.now)
    }

    /// The same of a user who has no connection that would be asked about, but is still seen, or is
    /// elsewhere.
    mutating func suspendAbsent(_ pair: MembershipPair) {
        presence.dropLingering(pair.user, in: pair.project, clock.now)
        shunPeople(pair)
    }

    /// The same of members of whom it isn't known who they are; those who are here are asked about.
    mutating func suspendAbsent(from project: ProjectID) {
        presence.dropLingering(in: project, clock.now)
    }

    // MARK: Time

    /// When something about presence or typing is due; `nil` for never.
    package mutating func nanosecondsUntilPresence() -> UInt64? {
        let present = presence.nanosecondsUntilNext(clock.now)
        let typed = typing.nanosecondsUntilNext(clock.now)
        return present.map { min($0, typed ?? $0) } ?? typed
    }

    /// Returns whether some had to be put off.
    mutating func runPresenceTimers() -> Bool {
        let hasMore = presence.runTimers(clock)
        typing.runTimers(clock)
        return hasMore
    }
}
