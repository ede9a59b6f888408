internal import Reactor

extension MetricsWriter {
    static func writeSharing(
        _ metrics: borrowing Metrics, _ role: SessionRole, into buffer: inout ByteBuffer
    ) {
        buffer.gauge(
            "devhive_database_leaders", help: "Whether this process has sessions for all workers.",
            role == .leader ? 1 : 0)
        buffer.gauge(
            "devhive_database_followers", help: "Workers that use this process' sessions.",
            metrics.followers)
        buffer.gauge(
            "devhive_database_sessions_alone",
            help: "Whether this process has sessions for itself alone, as nobody leads.",
            role == .own ? 1 : 0)
        buffer.counter(
            "devhive_notifications_relayed_total",
            help: "Notifications handed to another worker.", metrics.notificationsRelayed)
        buffer.counter(
            "devhive_database_questions_relayed_total",
            help: "Statements sent for another worker.", metrics.questionsRelayed)
        buffer.counter(
            "devhive_database_links_cut_total",
            help: "Workers cut off because they didn't read what was handed to them.",
            metrics.sessionLinksCut)
    }
}
