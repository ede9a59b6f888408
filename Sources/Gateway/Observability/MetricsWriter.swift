package import Reactor

/// Writes the figures in Prometheus' text format, version 0.0.4
/// (prometheus.io, "Exposition formats").
package struct MetricsWriter: Sendable {
    /// The media type to answer with.
    package static let contentType: StaticString = "text/plain; version=0.0.4; charset=utf-8"

    private let version: String

    /// `version` is the program's, for `devhive_build_info`.
    package init(version: String = Version.current) {
        self.version = version
    }

    /// Appends everything: some 15 KB, in tens of microseconds.
    package func write(
        _ metrics: borrowing Metrics, log: LogFigures, process: ProcessFigures,
        into buffer: inout ByteBuffer
    ) {
        buffer.reserve(16_384)
        writeConnections(metrics, into: &buffer)
        if metrics.tls.isSpoken { Self.writeTLS(metrics.tls, into: &buffer) }
        writeDelivery(metrics, into: &buffer)
        Self.writePresence(metrics, into: &buffer)
        Self.writeDirect(metrics, into: &buffer)
        writeCompression(metrics, into: &buffer)
        writeClientMessages(metrics, into: &buffer)
        writeMembership(metrics, into: &buffer)
        writeDatabase(metrics, into: &buffer)
        if let role = metrics.sessionRole { Self.writeSharing(metrics, role, into: &buffer) }
        if let figures = metrics.bus { Self.writeBus(figures, into: &buffer) }
        if let figures = metrics.carrier { Self.writeCarrier(figures, into: &buffer) }
        writeProgram(metrics, log: log, into: &buffer)
        Self.writeProcess(process, into: &buffer)
    }

    private func writeConnections(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.gauge(
            "devhive_connections", help: "Open WebSocket connections.", metrics.connections)
        buffer.counter(
            "devhive_connections_opened_total", help: "Handshakes answered with 101.",
            metrics.connectionsOpened)
        buffer.counter(
            "devhive_connections_closed_total",
            help: "Ended connections by the close code sent or received first.",
            label: "code", metrics.connectionsClosed)
        buffer.counter(
            "devhive_handshakes_refused_total", help: "Refused requests by error code.",
            label: "reason", metrics.handshakesRefused)
        buffer.histogram(
            "devhive_connection_duration_seconds", help: "How long connections lasted.",
            metrics.connectionDuration)
        buffer.counter(
            "devhive_token_checks_deferred_total",
            help: "Times that a client waited a turn because many signatures were checked.",
            metrics.verificationsDeferred)
        buffer.counter(
            "devhive_client_waits_total",
            help: "Times that a client waited to be heard because others had used up the turn.",
            label: "who", metrics.waits)
        buffer.counter(
            "devhive_accept_pauses_total",
            help: "Times that accepting stopped because descriptors ran out.",
            metrics.acceptPauses)
        writeLimits(metrics, into: &buffer)
    }

    private func writeLimits(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.counter(
            "devhive_connections_dropped_total",
            help: "Accepted connections closed without an answer, by what there was no more of.",
            label: "reason", metrics.connectionsDropped)
        buffer.gauge(
            "devhive_connections_unauthenticated",
            help: "Open WebSocket connections that have yet to show a token.",
            metrics.connectionsUnauthenticated)
        buffer.counter(
            "devhive_limits_reached_total",
            help: "Requests refused and connections closed because of a limit.",
            label: "limit", metrics.limitsReached)
        buffer.counter(
            "devhive_proxy_faults_total",
            help: "Addresses that proxies gave in a wrong form, or without being trusted.",
            label: "fault", metrics.proxyFaults)
    }

    private func writeDelivery(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.gauge(
            "devhive_subscriptions", help: "Subscriptions of connections to projects.",
            metrics.subscriptions)
        buffer.gauge(
            "devhive_projects", help: "Projects with at least one subscriber.", metrics.projects)
        buffer.counter(
            "devhive_deliveries_total", help: "Frames times the clients they were handed to.",
            metrics.deliveries)
        buffer.counter(
            "devhive_resyncs_total", help: "Resyncs of projects sent to clients, by cause.",
            label: "cause", metrics.resyncs)
        buffer.counter(
            "devhive_collapsed_clients_total",
            help: "Slow clients whose queue was collapsed into a resync.",
            metrics.collapsedClients)
        buffer.counter(
            "devhive_slow_consumers_disconnected_total",
            help: "Slow clients that were disconnected.", metrics.slowConsumersDisconnected)
        buffer.counter(
            "devhive_sent_bytes_total", help: "Bytes sent to clients.", metrics.sentBytes)
        buffer.counter(
            "devhive_received_bytes_total", help: "Bytes received from clients.",
            metrics.receivedBytes)
    }

    private func writeCompression(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.gauge(
            "devhive_connections_compressing",
            help: "Open WebSocket connections with permessage-deflate.",
            metrics.connectionsCompressing)
        buffer.counter(
            "devhive_messages_compressed_total",
            help: "Broadcast messages that were compressed, each once for all its clients.",
            metrics.messagesCompressed)
        buffer.counter(
            "devhive_compression_saved_bytes_total",
            help: "Bytes of broadcasts that were not sent thanks to compression.",
            metrics.compressionSavedBytes)
    }

    private func writeClientMessages(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.counter(
            "devhive_client_messages_total", help: "Messages received from clients, by type.",
            label: "type", metrics.clientMessages)
        buffer.counter(
            "devhive_client_errors_total", help: "Error messages sent to clients, by code.",
            label: "code", metrics.clientErrors)
    }

    private func writeMembership(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.counter(
            "devhive_membership_checks_total",
            help: "Questions of clients whether they may look at a project.",
            metrics.membershipChecks)
        buffer.counter(
            "devhive_membership_checks_shared_total",
            help: "Of those, answered together with an equal one.",
            metrics.membershipChecksShared)
        buffer.counter(
            "devhive_membership_outcomes_total", help: "What became of the questions.",
            label: "outcome", metrics.membershipOutcomes)
        buffer.counter(
            "devhive_membership_queries_total",
            help: "Queries for memberships, each with many questions.",
            metrics.membershipQueries)
        buffer.counter(
            "devhive_membership_rechecks_total",
            help: "Memberships in use looked up again though nothing was announced.",
            metrics.membershipRechecks)
        buffer.counter(
            "devhive_notifications_withheld_total",
            help: "Notifications of projects whose members were being looked up.",
            metrics.notificationsWithheld)
        buffer.counter(
            "devhive_revocations_total",
            help: "Subscriptions that ended with the membership or the project.",
            metrics.revocations)
    }

    private func writeDatabase(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.counter(
            "devhive_notifications_received_total", help: "Notifications from PostgreSQL.",
            metrics.notificationsReceived)
        buffer.counter(
            "devhive_notifications_invalid_total",
            help: "Notifications skipped for a malformed payload.", metrics.notificationsInvalid)
        buffer.counter(
            "devhive_notifications_dropped_total",
            help: "Notifications dropped for a resync of every project, because too many waited.",
            metrics.notificationsDropped)
        buffer.counter(
            "devhive_notifications_without_audience_total",
            help: "Notifications whose project had no subscriber.",
            metrics.notificationsWithoutAudience)
        buffer.histogram(
            "devhive_commit_to_socket_seconds",
            help: "From the start of the writer's transaction to the flush to the sockets.",
            metrics.commitToSocket)
        buffer.gauge(
            "devhive_listener_up", help: "Whether LISTEN is established (1) or not (0).",
            metrics.listenerIsUp ? 1 : 0)
        buffer.counter(
            "devhive_listener_reconnects_total",
            help: "Times that the listener was established again.", metrics.listenerReconnects)
        writeEventLog(metrics, into: &buffer)
    }

    private func writeEventLog(_ metrics: borrowing Metrics, into buffer: inout ByteBuffer) {
        buffer.histogram(
            "devhive_canary_round_trip_seconds",
            help: "From sending a canary on one session to hearing it on the other.",
            metrics.canaryRoundTrip)
        buffer.counter(
            "devhive_canary_silences_total",
            help: "Times that the listener was given up because it heard no canary.",
            metrics.canarySilences)
        buffer.header(
            "devhive_notification_queue_usage_ratio",
            help: "How full PostgreSQL's queue is; at 1 commits that notify fail.", "gauge")
        buffer.append("devhive_notification_queue_usage_ratio ")
        buffer.append(seconds: 0, nanoseconds: metrics.queueUsageMillionths * 1_000)
        buffer.append(UInt8(ascii: "\n"))
        buffer.gauge(
            "devhive_event_log_usable", help: "Whether missed events can be read (1) or not (0).",
            metrics.eventLogIsUsable ? 1 : 0)
        buffer.counter(
            "devhive_resumes_total", help: "Subscriptions with a cursor.", metrics.resumes)
        buffer.counter(
            "devhive_event_log_pruned_total", help: "Old events deleted from the event log.",
            metrics.prunedEvents)
        Self.writeWatch(metrics, into: &buffer)
    }

    private func writeProgram(
        _ metrics: borrowing Metrics, log: LogFigures, into buffer: inout ByteBuffer
    ) {
        buffer.histogram(
            "devhive_loop_turn_seconds", help: "The working part of the loop's turns.",
            metrics.loopTurn)
        buffer.histogram(
            "devhive_loop_turn_cpu_seconds",
            help:
                "The processor time of the loop's turns: what it worked, without what it waited for.",
            metrics.loopTurnProcessor)
        buffer.gauge(
            "devhive_io_uring", help: "Whether broadcasts are sent by io_uring.",
            metrics.sendMethod == .ring ? 1 : 0)
        buffer.counter(
            "devhive_io_uring_refusals_total",
            help: "Batches of which io_uring did not take all; the rest went by send.",
            metrics.ringRefusals)
        buffer.counter(
            "devhive_reloads_total", help: "Reloads of files on SIGHUP, by result.",
            label: "result", metrics.reloads)
        buffer.counter(
            "devhive_log_lines_suppressed_total", help: "Log lines over their kind's rate limit.",
            log.linesSuppressed)
        buffer.counter(
            "devhive_log_lines_dropped_total",
            help: "Log lines that standard error did not take at once.", log.linesDropped)
        buffer.header("devhive_build_info", help: "Always 1; the labels say what runs.", "gauge")
        buffer.append("devhive_build_info{version=\"")
        buffer.append(labelValue: version)
        buffer.append("\"} 1\n")
    }

    /// The names that every Prometheus client library uses.
    static func writeProcess(_ process: ProcessFigures, into buffer: inout ByteBuffer) {
        buffer.header(
            "process_cpu_seconds_total", help: "User and system CPU time spent.", "counter")
        buffer.append("process_cpu_seconds_total ")
        buffer.append(seconds: 0, nanoseconds: process.cpuNanoseconds)
        buffer.append(UInt8(ascii: "\n"))
        if let bytes = process.residentBytes {
            buffer.gauge("process_resident_memory_bytes", help: "Memory that is in RAM.", bytes)
        }
        if let bytes = process.virtualBytes {
            buffer.gauge("process_virtual_memory_bytes", help: "Size of the address space.", bytes)
        }
        if let count = process.openDescriptors {
            buffer.gauge("process_open_fds", help: "Open file descriptors.", count)
        }
        if let count = process.openDescriptorsMax {
            buffer.gauge("process_max_fds", help: "Most file descriptors allowed.", count)
        }
        if let start = process.startMicroseconds, start >= 0 {
            buffer.header(
                "process_start_time_seconds", help: "Start of the process since 1970.", "gauge")
            buffer.append("process_start_time_seconds ")
            let (seconds, microseconds) = UInt64(start).quotientAndRemainder(dividingBy: 1_000_000)
            buffer.append(seconds: seconds, nanoseconds: microseconds * 1_000)
            buffer.append(UInt8(ascii: "\n"))
        }
    }
}
