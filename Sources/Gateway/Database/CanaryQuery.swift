internal import Reactor

/// Sends a canary, and looks at what else has to be watched.
enum CanaryQuery {
    /// Parameters: the channel, the number.
    ///
    /// The canary's snapshot gives a cursor just as a change's does, so that a gateway to which
    /// nothing happens goes forward too. It has rows: how full the queue of notifications is, in
    /// parts per million, whether the event log is there, and whether this role may use it.
    static let statement = """
        SELECT (pg_notification_queue_usage() * 1000000)::bigint,
            to_regclass('cache_events') IS NOT NULL
                AND to_regclass('cache_events_horizon') IS NOT NULL,
            coalesce(has_table_privilege(to_regclass('cache_events'), 'SELECT')
                AND has_table_privilege(to_regclass('cache_events_horizon'), 'SELECT'), false)
        FROM pg_notify($1, $2::text || ' ' || pg_snapshot_xmin(pg_current_snapshot()))
        """
}

/// The answer to a canary's statement.
package struct DatabaseState: Equatable, BitwiseCopyable, Sendable {
    /// Parts per million. At 1,000,000 commits that notify fail.
    package let queueUsageMillionths: UInt64
    package let eventLog: EventLogState

    /// `nil` when the rows have another shape.
    init?(_ rows: borrowing PostgresRows) {
        guard rows.count == 1, rows.columnCount == 3,
            let usage = rows.integer(row: 0, column: 0), usage >= 0
        else { return nil }
        queueUsageMillionths = UInt64(usage)
        if !rows.bytes(row: 0, column: 1).isEqual(to: "t") {
            eventLog = .absent
        } else {
            eventLog = rows.bytes(row: 0, column: 2).isEqual(to: "t") ? .usable : .forbidden
        }
    }
}

/// Whether missed events can be read.
package enum EventLogState: Equatable, BitwiseCopyable, Sendable {
    /// Nobody has looked yet.
    case unknown
    /// Not installed: who was away fetches all anew.
    case absent
    /// Installed, and this role may not read it.
    case forbidden
    case usable

    package var text: StaticString {
        switch self {
        case .unknown: "not looked for yet"
        case .absent: "not installed"
        case .forbidden: "not readable for this role"
        case .usable: "in use"
        }
    }
}
