internal import Reactor

// What is found out about the database besides its changes: what it doesn't announce, and what to tell
// an operator.
extension Core {
    /// The answer to a canary's statement. Returns whether the tables have to be looked at now: cursors go on with the
    /// canaries, and mustn't go far beyond what nobody has looked at.
    @discardableResult
    package mutating func databaseIs(_ state: DatabaseState) -> Bool {
        eventLogIs(state.eventLog)
        directIs(state.direct)
        metrics.queueUsageMillionths = state.queueUsageMillionths
        if state.queueUsageMillionths >= DatabaseLimits.queueUsageWarning {
            log.queueFillsUp(percent: state.queueUsageMillionths / 10_000, at: clock.now)
        }
        let findings = database.watch.note(state, clock.now)
        if findings.failures > 0 || findings.losses > 0 {
            log.triggersFailed(
                failures: findings.failures, losses: findings.losses, at: clock.now)
        }
        if findings.warnsOfCursor {
            log.cursorStands(
                seconds: database.watch.cursorAgeSeconds, transactions: database.watch.cursorLag,
                at: clock.now)
        }
        if findings.needsRecheck { recheckEverybody() }
        if findings.needsResync { refetchEverything() }
        history.expiry.noteEnd(state.end)
        return findings.needsLook
    }

    /// Which tables announce their changes, as the catalogue said just now. What happened in one that didn't
    /// announce all the time wasn't heard: not what changed, and not who was removed.
    package mutating func tablesAre(_ tables: AnnouncedTables) {
        guard !tables.names.isEmpty else { return }
        let earlier = database.tables
        database.tables = tables
        database.resources = ResourceList(tables.names)
        guard tables != earlier else { return }
        if tables.total > Limits.resourcesMax, tables.total != earlier.total {
            log.tablesAreUnnamed(total: tables.total)
        }
        // Nobody who runs now may have heard what there was before.
        if earlier.names.isEmpty, let switched = tables.switched {
            history.expiry.expire(through: switched)
        }
        let lost = earlier.names.isEmpty ? tables.silent : tables.lost(since: earlier)
        if !lost.isEmpty { log.tablesAreSilent(lost) }
        let returned = tables.returned(since: earlier)
        guard !returned.isEmpty else { return }
        log.tablesAnnounceAgain(returned)
        refetch(returned)
    }

    /// Whether memberships can be asked for: `fault` is the end of a sentence about the table.
    package mutating func membersAre(fault: String?) {
        guard fault != database.membersFault else { return }
        database.membersFault = fault
        if settings.checksMembership { log.membersAre(fault: fault) }
    }

    /// How much of what the event log should have forgotten it still has.
    package mutating func eventLogIsOverdue(seconds: UInt64) {
        database.overdueSeconds = seconds
        if database.isOverdue { log.eventLogIsOverdue(seconds: seconds, at: clock.now) }
    }

    /// What changed in these tables wasn't heard, of any project. Who isn't a member any more only one of them says:
    /// with the others memberships are left alone, and those who are here fetch no more than what may be stale.
    private mutating func refetch(_ tables: [String]) {
        guard !tables.contains("project_members"), !history.isCatchingUp else {
            refetchEverything()
            return
        }
        history.expiry.expireEverything()
        answerAllReads()
        history.beginResync(of: ResourceList(tables))
    }

    /// Something may have been missed of any project, by those who are here and by those who come back.
    /// What is being read is given up, since a resync says more.
    private mutating func refetchEverything() {
        _ = history.endCatchUp()
        history.expiry.expireEverything()
        answerAllReads()
        resyncEverything()
    }

    /// What the event log's horizon has to be raised to, which the caller sees to; `nil` when it hasn't,
    /// or there is no log.
    package mutating func takeExpiry() -> Cursor? {
        database.eventLog == .usable ? history.expiry.takeUnwritten() : nil
    }

    /// It couldn't be asked, or the connection was lost meanwhile.
    package mutating func expireAgain(_ cursor: Cursor) { history.expiry.writeAgain(cursor) }

    // MARK: For operators

    /// Lines of `/readyz?verbose` about what doesn't keep the gateway from its work.
    func writeWatched(into text: inout ByteBuffer) {
        let watch = database.watch
        let silent = database.tables.silent
        text.append(
            silent.isEmpty
                ? "[i] no table is silent" : "[!] tables that don't announce everything: ")
        text.append(visible: silent.joined(separator: ", "))
        if database.tables.total > Limits.resourcesMax {
            text.append("\n[!] ")
            text.append(decimal: UInt64(database.tables.total))
            text.append(" tables have the trigger, and a resync names ")
            text.append(decimal: UInt64(Limits.resourcesMax))
            text.append(" of them")
            if database.tables.total > DatabaseLimits.tablesMax {
                text.append("; those beyond ")
                text.append(decimal: UInt64(DatabaseLimits.tablesMax))
                text.append(" aren't looked at")
            }
        }
        text.append(watch.triggerFailures == 0 && watch.triggerLosses == 0 ? "\n[i] " : "\n[!] ")
        text.append("triggers failed ")
        text.append(decimal: watch.triggerFailures)
        text.append(" times, and lost ")
        text.append(decimal: watch.triggerLosses)
        text.append(" changes")
        text.append(watch.isCursorOld ? "\n[!] " : "\n[i] ")
        text.append("cursors are held back for ")
        text.append(decimal: watch.cursorAgeSeconds)
        text.append(" s, by ")
        text.append(decimal: watch.cursorLag)
        text.append(" transactions")
        if database.isOverdue {
            text.append("\n[!] event log isn't pruned, overdue by ")
            text.append(decimal: database.overdueSeconds)
            text.append(" s")
        }
        text.append("\n")
    }
}
