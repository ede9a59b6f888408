package import Reactor

/// What is counted about TLS on the public listener.
package struct TLSMetrics: Sendable {
    /// Whether it is spoken; otherwise none of this is of interest.
    package var isSpoken = false
    /// Handshakes that were completed, and how many of them resumed an earlier session.
    package var handshakes: UInt64 = 0
    package var resumptions: UInt64 = 0
    /// Times that a client had to wait for a later turn because of the handshakes of others.
    package var handshakesDeferred: UInt64 = 0
    package var failures = LabelledCounter<TLSFailureLabel>()
    /// Records that carried no data: key updates, warnings.
    package var controlRecords: UInt64 = 0
    /// When the certificate expires, in seconds since 1970; zero if that isn't known.
    package var notAfterUnixSeconds: UInt64 = 0

    package init() {}
}

/// Why a TLS session failed, or never came about.
package enum TLSFailureLabel: UInt8, MetricLabel {
    case plaintext, unsupported, alert, malformed, flood
    /// The peer went away, or its time was up, before the handshake was over.
    case abandoned

    package init(_ kind: TLSFault.Kind) {
        switch kind {
        case .plaintext: self = .plaintext
        case .unsupported: self = .unsupported
        case .alert: self = .alert
        case .malformed: self = .malformed
        case .flood: self = .flood
        }
    }

    package var text: StaticString {
        switch self {
        case .plaintext: "plaintext"
        case .unsupported: "unsupported"
        case .alert: "alert"
        case .malformed: "malformed"
        case .flood: "flood"
        case .abandoned: "abandoned"
        }
    }
}

extension MetricsWriter {
    static func writeTLS(_ metrics: TLSMetrics, into buffer: inout ByteBuffer) {
        buffer.counter(
            "devhive_tls_handshakes_total", help: "Completed TLS handshakes.", metrics.handshakes)
        buffer.counter(
            "devhive_tls_resumptions_total",
            help: "TLS handshakes that resumed an earlier session.", metrics.resumptions)
        buffer.counter(
            "devhive_tls_handshakes_deferred_total",
            help: "Times that a TLS handshake had to wait for the next turn of the loop.",
            metrics.handshakesDeferred)
        buffer.counter(
            "devhive_tls_failures_total", help: "TLS sessions that failed, by cause.",
            label: "cause", metrics.failures)
        buffer.counter(
            "devhive_tls_control_records_total",
            help: "TLS records without data, such as key updates.", metrics.controlRecords)
        buffer.gauge(
            "devhive_tls_certificate_not_after_seconds",
            help: "When the certificate expires, in seconds since 1970.",
            metrics.notAfterUnixSeconds)
    }
}
