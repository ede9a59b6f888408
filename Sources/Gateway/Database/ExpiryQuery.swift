/// Raises the event log's horizon, so that whoever resumes from a cursor below gets a resync.
enum ExpiryQuery {
    /// Parameter: the cursor.
    ///
    /// - Parameter schema: where the log is, quoted and with a dot behind, or empty.
    static func statement(in schema: String) -> String {
        "UPDATE \(schema)cache_events_horizon SET xid = $1::xid8 WHERE xid < $1::xid8"
    }
}
