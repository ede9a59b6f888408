internal import Reactor

extension MetricsWriter {
    /// What the database says of itself. Gauges, though some only grow: somebody may set them back, and
    /// with several processes each tells the same.
    static func writeWatch(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.gauge(
            "devhive_trigger_failures",
            help: "Changes that the triggers could not announce by their ids, as they count.",
            metrics.triggerFailures)
        buffer.gauge(
            "devhive_trigger_losses",
            help: "Changes that the triggers could not announce to all, as they count.",
            metrics.triggerLosses)
        buffer.gauge(
            "devhive_tables_silent",
            help: "Tables of which a trigger of ours is missing or disabled.",
            metrics.silentTables)
        buffer.gauge(
            "devhive_cursor_lag_transactions",
            help: "Transactions that a new cursor is behind the newest.", metrics.cursorLag)
        buffer.gauge(
            "devhive_cursor_age_seconds",
            help: "For how long an open transaction has held cursors back.",
            metrics.cursorAgeSeconds)
        buffer.gauge(
            "devhive_event_log_overdue_seconds",
            help: "By how much the oldest event is older than events are kept.",
            metrics.eventLogOverdueSeconds)
    }
}
