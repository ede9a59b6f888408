internal import Reactor

extension MetricsWriter {
    static func writePresence(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.gauge(
            "devhive_present_users", help: "Users present, each counted in each project.",
            metrics.presentUsers)
        buffer.counter(
            "devhive_presence_messages_total",
            help: "Messages to clients about who is present and who types, by type.",
            label: "type", metrics.presenceMessages)
        buffer.counter(
            "devhive_presence_missed_total",
            help: "Such messages that a client could not take; a state follows when it can.",
            metrics.presenceMissed)
        buffer.counter(
            "devhive_presence_refused_total",
            help: "Clients refused because too many are present.", metrics.presenceRefused)
        buffer.counter(
            "devhive_presence_refused_elsewhere_total",
            help: "Users of other processes who aren't shown because too many are present.",
            metrics.presenceRefusedElsewhere)
        buffer.counter(
            "devhive_typing_signs_total", help: "Signs of clients that somebody types, by outcome.",
            label: "outcome", metrics.typingSigns)
    }
}
