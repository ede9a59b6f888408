internal import Reactor

extension MetricsWriter {
    static func writeBus(_ figures: BusFigures, into buffer: inout ByteBuffer) {
        buffer.counter(
            "devhive_bus_frames_sent_total", help: "Frames sent to other processes.",
            figures.framesSent)
        buffer.counter(
            "devhive_bus_sent_bytes_total", help: "Bytes of them.", figures.bytesSent)
        buffer.counter(
            "devhive_bus_frames_received_total", help: "Frames received from other processes.",
            figures.framesReceived)
        buffer.counter(
            "devhive_bus_received_bytes_total", help: "Bytes of them.", figures.bytesReceived)
        buffer.counter(
            "devhive_bus_frames_dropped_total",
            help: "Frames not sent because too much waited to be sent.", figures.framesDropped)
        buffer.counter(
            "devhive_bus_frames_invalid_total",
            help: "Frames skipped because they were malformed or of another version.",
            figures.framesInvalid)
        buffer.counter(
            "devhive_bus_frames_stale_total",
            help: "Frames skipped because they came late or twice.", figures.framesStale)
        buffer.counter(
            "devhive_bus_frames_refused_total",
            help: "Nodes and projects of others not counted because of a bound.",
            figures.framesRefused)
        buffer.counter(
            "devhive_bus_gaps_total", help: "Times that frames of a process were missed.",
            figures.gaps)
        buffer.counter(
            "devhive_bus_snapshots_total",
            help: "Times that a process was asked for all that it counts.", figures.snapshots)
        buffer.counter(
            "devhive_bus_nodes_gone_total", help: "Processes that ended or fell silent.",
            figures.nodesGone)
        buffer.counter(
            "devhive_bus_partial_statuses_total",
            help: "Status answers without the figures of some process.", figures.partialStatuses)
        buffer.gauge(
            "devhive_bus_nodes", help: "Other processes whose clients are counted.",
            figures.nodes)
        buffer.gauge(
            "devhive_bus_nodes_frozen",
            help: "Of those, the ones that have been silent for too long.", figures.nodesFrozen)
    }
}
