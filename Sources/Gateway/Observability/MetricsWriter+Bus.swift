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
            help:
                "Nodes, projects and users of others that aren't counted, or told of, because of a bound.",
            figures.framesRefused)
        buffer.counter(
            "devhive_bus_gaps_total", help: "Times that frames of a process were missed.",
            figures.gaps)
        buffer.counter(
            "devhive_bus_snapshots_total",
            help:
                "Times that a process was asked for all that it counts, or for all who are present.",
            figures.snapshots)
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
        buffer.gauge(
            "devhive_bus_present_elsewhere",
            help: "Users present at other processes, each counted in each project and process.",
            figures.presentElsewhere)
        buffer.gauge(
            "devhive_bus_users_elsewhere",
            help:
                "Users whose connections at other processes count here, each counted for each process.",
            figures.usersElsewhere)
    }

    static func writeCarrier(_ figures: CarrierFigures, into buffer: inout ByteBuffer) {
        buffer.gauge(
            "devhive_bus_carrier_up", help: "Whether other hosts can be reached by Redis.",
            figures.isLive ? 1 : 0)
        buffer.counter(
            "devhive_bus_carrier_losses_total", help: "Times that Redis was lost.",
            figures.losses)
        buffer.counter(
            "devhive_bus_carrier_deaf_total",
            help: "Of those, times that nothing of our own came back for 10 s.",
            figures.deafnesses)
        buffer.counter(
            "devhive_bus_carrier_frames_sent_total", help: "Frames published.",
            figures.framesSent)
        buffer.counter(
            "devhive_bus_carrier_sent_bytes_total", help: "Bytes of them.", figures.bytesSent)
        buffer.counter(
            "devhive_bus_carrier_frames_received_total",
            help: "Frames heard from Redis, our own included.", figures.framesReceived)
        buffer.counter(
            "devhive_bus_carrier_received_bytes_total", help: "Bytes of them.",
            figures.bytesReceived)
        buffer.counter(
            "devhive_bus_carrier_frames_dropped_total",
            help: "Frames not published because Redis was away or slow.", figures.framesDropped)
        buffer.counter(
            "devhive_bus_carrier_frames_invalid_total",
            help: "Frames skipped because they were oversized, malformed or of another version.",
            figures.envelopes.invalid)
        buffer.counter(
            "devhive_bus_carrier_frames_unauthentic_total",
            help: "Frames skipped because they were of another secret.",
            figures.envelopes.unauthentic)
        buffer.counter(
            "devhive_bus_carrier_frames_former_total",
            help: "Frames of processes that have yet to get the new secret.",
            figures.envelopes.former)
        buffer.counter(
            "devhive_bus_carrier_frames_repeated_total",
            help: "Frames skipped because they had come before, or later ones had.",
            figures.envelopes.repeated)
        buffer.counter(
            "devhive_bus_carrier_frames_unproven_total",
            help: "Frames skipped because their process had yet to show that it is there.",
            figures.envelopes.unproven)
        buffer.counter(
            "devhive_bus_carrier_nodes_refused_total",
            help: "Processes not heard because too many are.", figures.envelopes.refused)
        buffer.counter(
            "devhive_bus_sentinel_faults_total",
            help: "Times that a Sentinel was asked and didn't say where the primary is.",
            figures.sentinelFaults)
        buffer.gauge(
            "devhive_bus_round_trip_seconds",
            help: "From publishing a frame to hearing it, the last time.",
            nanoseconds: figures.roundTripNanoseconds)
    }
}
