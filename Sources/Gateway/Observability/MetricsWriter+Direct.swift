internal import Reactor

extension MetricsWriter {
    static func writeDirect(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.gauge(
            "devhive_direct_usable", help: "Whether there are direct messages (1) or not (0).",
            metrics.directIsUsable ? 1 : 0)
        buffer.gauge(
            "devhive_direct_readers", help: "Connections that get direct messages.",
            metrics.directReaders)
        buffer.counter(
            "devhive_direct_messages_total",
            help: "Direct messages that clients sent, by outcome.", label: "outcome",
            metrics.directMessages)
        buffer.counter(
            "devhive_direct_acknowledged_total", help: "Ids that clients acknowledged.",
            metrics.directAcknowledged)
        buffer.counter(
            "devhive_direct_deliveries_total",
            help: "Direct messages, acknowledgments and receipts handed to clients.",
            metrics.directDeliveries)
        buffer.counter(
            "devhive_direct_inboxes_refused_total",
            help: "Requests for an inbox that came too fast.", metrics.directInboxesRefused)
        buffer.counter(
            "devhive_direct_missed_total",
            help: "Acknowledgments, receipts and copies for senders that a client could not take.",
            metrics.directMissed)
        buffer.counter(
            "devhive_direct_unreadable_total",
            help: "Direct messages whose data is not text that a client can be sent.",
            metrics.directUnreadable)
        buffer.counter(
            "devhive_direct_pruned_total", help: "Old direct messages deleted.",
            metrics.directPruned)
    }
}
