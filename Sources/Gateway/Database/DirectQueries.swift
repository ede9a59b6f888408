internal import Reactor

/// Statements about direct messages (Migrations/006_add_direct_messages.sql). The schema is quoted and has a dot
/// behind, or is empty.
enum DirectQueries {
    /// Parameters: senders, recipients, ids, data, whether receipts are wanted, seconds to live, origins: arrays of
    /// the same length. Rows: a place from 1 on, what became of the message there, and when it was sent.
    ///
    /// Nobody waits long for a transaction of the application that sends the same id: the session has more to do. That
    /// is a condition on each row, which is looked at before the function is called: a plan of one scan is made in
    /// half the time of one with a subquery.
    static func send(in schema: String) -> String {
        """
        SELECT position, \(schema)devhive_send_direct(
            sender, recipient, id, data::json, receipt, ttl_s, origin), \(timestamp(of: "pg_catalog.now()"))
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::boolean[], $6::integer[], $7::uuid[])
            WITH ORDINALITY AS asked (sender, recipient, id, data, receipt, ttl_s, origin, position)
        WHERE \(patience) IS NOT NULL
        """
    }

    /// The same for one message: parameters that are no arrays. It is answered in less time, and is what most statements
    /// are for when there is little to do.
    static func sendOne(in schema: String) -> String {
        """
        SELECT 1, \(schema)devhive_send_direct(
            $1::uuid, $2::uuid, $3::uuid, $4::json, $5::boolean, $6::integer, $7::uuid),
            \(timestamp(of: "pg_catalog.now()"))
        WHERE \(patience) IS NOT NULL
        """
    }

    static let sentColumnCount = 3
    /// Bytes of such a time.
    static let timestampBytesMax = 64

    /// Parameters: users, ids, connections, whether senders may be told: arrays of the same length.
    ///
    /// What is acknowledged is announced in the same way as what is sent, some rows at a time, so that they fit.
    static func acknowledge(in schema: String) -> String {
        """
        WITH patience AS MATERIALIZED (SELECT \(patience) AS value), asked AS MATERIALIZED (
            SELECT DISTINCT ON (recipient, id) asked.* FROM unnest(
                    $1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[])
                AS asked (recipient, id, connection, is_visible)
            JOIN patience ON patience.value IS NOT NULL
        ), done AS (
            UPDATE \(schema)\(table) AS message
            SET acknowledged_at = pg_catalog.now(), acknowledged_by = asked.connection,
                receipt = message.receipt AND asked.is_visible,
                expires_at = least(message.expires_at, pg_catalog.now() + interval '24 hours')
            FROM asked
            WHERE message.recipient = asked.recipient AND message.id = asked.id
                AND message.acknowledged_at IS NULL
            RETURNING message.recipient, message.sender, message.seq
        ), numbered AS (
            SELECT done.*, (pg_catalog.row_number() OVER (PARTITION BY recipient, sender ORDER BY seq) - 1)
                / \(announcedMax) AS part
            FROM done
        )
        SELECT pg_catalog.pg_notify('\(channel)', 'a ' || recipient || ' ' || sender || ' '
            || pg_catalog.string_agg(seq::text, ' ' ORDER BY seq))
        FROM numbered GROUP BY recipient, sender, part
        """
    }

    /// Parameters: numbers of rows, and whether it was their acknowledgment that was announced.
    ///
    /// What was acknowledged some time ago is nothing new, whoever announces it once more.
    static func read(in schema: String) -> String {
        """
        SELECT asked.position, \(columns)
        FROM unnest($1::bigint[], $2::boolean[]) WITH ORDINALITY AS asked (seq, is_ack, position)
        JOIN \(schema)\(table) AS message ON message.seq = asked.seq
        WHERE message.expires_at > pg_catalog.now()
            AND (message.acknowledged_at IS NULL AND NOT asked.is_ack
                OR message.acknowledged_at > pg_catalog.now() - interval '10 seconds')
        ORDER BY asked.position
        """
    }

    /// Parameters: users, and where their pages begin: transactions and rows. One row more than a page has says that
    /// there is more. A user whose page is empty has a row of NULLs.
    ///
    /// A place of the future is of another cluster: everything is read.
    static func inbox(in schema: String) -> String {
        """
        SELECT asked.position, \(columns)
        FROM unnest($1::uuid[], $2::xid8[], $3::bigint[])
            WITH ORDINALITY AS asked (recipient, xid, seq, position)
        LEFT JOIN LATERAL (
            SELECT found.*, false AS is_ack FROM \(schema)\(table) AS found
            WHERE found.recipient = asked.recipient AND found.acknowledged_at IS NULL
                AND found.expires_at > pg_catalog.now()
                AND (found.xid, found.seq) > (CASE
                    WHEN asked.xid > pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
                        THEN '0'::xid8
                    ELSE asked.xid END, asked.seq)
            ORDER BY found.xid, found.seq
            LIMIT \(Limits.inboxPageMax + 1)
        ) AS message ON true
        ORDER BY asked.position, message.xid, message.seq
        """
    }

    /// Deletes what nobody gets any more, some rows at a time. Returns how many. Several gateways don't wait for each
    /// other.
    static func prune(in schema: String) -> String {
        """
        WITH gone AS (
            DELETE FROM \(schema)\(table) AS message
            USING (
                SELECT seq FROM \(schema)\(table)
                WHERE expires_at <= pg_catalog.now() ORDER BY expires_at
                LIMIT \(PruneQuery.rowsMax) FOR UPDATE SKIP LOCKED
            ) AS old
            WHERE message.seq = old.seq RETURNING message.seq
        )
        SELECT pg_catalog.count(*) FROM gone
        """
    }

    static let table = "devhive_direct_messages"
    static let sendFunction = "devhive_send_direct(uuid, uuid, uuid, json, boolean, integer, uuid)"
    /// The same as the catalogue has it: the types by their oids (pg_type.dat).
    static let sendKey = (name: "devhive_send_direct", types: "2950 2950 2950 114 16 23 2950")

    /// On which rows are announced.
    static let channel = "devhive_direct"

    /// Rows in one announcement: of 20 bytes each, behind 76 that are always there, in 8,000.
    private static let announcedMax = 256

    private static let patience = "pg_catalog.set_config('lock_timeout', '200ms', true)"

    private static func timestamp(of time: String) -> String {
        #"pg_catalog.to_char(\#(time) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#
    }

    private static let columns = """
        message.seq, message.xid, message.sender, message.recipient, message.id, message.origin,
            message.receipt, message.acknowledged_at IS NOT NULL, message.acknowledged_by,
            CASE WHEN message.acknowledged_at IS NULL OR NOT is_ack THEN message.data END,
            \(timestamp(of: "message.sent_at")),
            pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())
        """

    static let columnCount = 13
}
