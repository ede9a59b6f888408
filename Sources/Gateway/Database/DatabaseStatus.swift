/// What is known of the database: set by its sessions, and read by whoever has to decide.
package struct DatabaseStatus: Sendable {
    /// Whether it announces changes to us now.
    package var isListening = false
    /// Whether the last canary came back in time.
    package var isCanaryInTime = false
    /// Whether it answers questions now.
    package var answersQueries = false
    /// Whether missed events can be read.
    package var eventLog = EventLogState.unknown
    /// What a resync speaks of: the tables with our trigger.
    package var resources = ResourceList.seed

    package init() {}

    /// Whether a resume can be served from the event log, or may be once it is known.
    package var mayReadEvents: Bool { eventLog == .usable || eventLog == .unknown }
}
