-- Direct messages: from one user to another, kept until they are acknowledged or their time is over.
-- Optional: without this file the gateway answers them with the error `direct_off`.
--
-- An application sends one in a transaction of its own. It is delivered if that commits, and only then:
--
--     SELECT app.devhive_send_direct($1::uuid, $2::uuid, $3::uuid, $4::json, false, 604800, NULL::uuid);
--
-- (sender, recipient, id, data, receipt, ttl_s, origin; `app` is the schema of the function: `public`, as a rule). Each
-- parameter is given, in its type, and the schema is named. The last three may be left out, and so may types and schema,
-- but only where nobody else may create functions in a schema of the application's search_path: whoever may can make one
-- of this name that fits a shorter call better, with other types or fewer parameters. PostgreSQL then runs that, with the
-- caller's rights. None can fit better than all seven, and none with these types can stand beside ours. It
-- returns, without an error, what became of it:
--
--   * `sent`; or `repeated`, when this sender has sent something under this id before: nothing is sent twice;
--   * `not_allowed`: the two share no project, or one of them isn't there, which look alike;
--   * `inbox_full`: 1,000 messages, or 1 MiB of them, wait for the recipient;
--   * `too_large`: `data`, as text, has more than 4,096 bytes.
--
-- Whoever ignores that loses what wasn't sent. `data` has the type json and is an object; it reaches clients byte for
-- byte. Further arguments: `receipt` (false), whether the sender's connections are told of the acknowledgment, and
-- `ttl_s` (604800, a week), the seconds after which nobody gets it any more, 30 days at most.
--
-- Each message is announced at its commit on the channel `devhive_direct`, as is each acknowledgment: recipient,
-- sender, the numbers of the rows, a message's id, and nothing of what they hold. Every role that may connect to the
-- database can listen there, and can announce what it likes: so the gateway takes an announcement for a hint, and reads
-- the rows. That costs it a look by primary key; were the message in the announcement, everybody in the database could
-- read it. What one of its own clients has sent it needn't read: the id says that it is this one, and the answer to its
-- statement that it is committed.
--
-- The bounds of an inbox are counted without a lock, so that no sender waits for another's transaction: transactions
-- that send to the same user at the same time may together exceed them by what they send.
--
-- What it costs: nothing for who doesn't send. A message is a row of some 150 bytes and its data, and entries in four
-- indexes; sending one reads up to 256 entries of the recipient's inbox, and up to 1,000 when there are more. The gateway
-- deletes what is expired, or was acknowledged 24 hours ago. A transaction that sends announces, and PostgreSQL lets the commits of those that
-- announce go one by one.
--
-- To take it out of use: DROP TABLE devhive_direct_messages, DROP FUNCTION devhive_send_direct(uuid, uuid, uuid, json,
-- boolean, integer, uuid).
--
-- With psql: psql -v ON_ERROR_STOP=1 --single-transaction -f 006_add_direct_messages.sql
--
-- Applying it takes no lock that anybody waits for. Needs PostgreSQL 14 or newer, and
-- 004_add_cache_invalidation_triggers.sql. Applying it twice is harmless; do so after the type of a column of
-- `project_members` was changed.

-- Somebody else's operators and functions would be run by this migration, with the rights of whoever applies
-- it, where their types fit better than those of PostgreSQL's own; and in place of our functions by whoever calls
-- those. So the names are looked up on the search_path first, without an operator, and all the rest is read with
-- pg_catalog alone; and where there is any such thing on the path, this is not the place to migrate in.
--
-- All is one statement: what is refused leaves nothing of this file behind, also where psql goes on.
--
-- What somebody else put in the place of ours would run with the rights of whoever writes to it. A look for that
-- holds for as long as a lock does: so the statement makes the tables, locks them, and looks whose they are before it
-- writes to them or gives them to anybody.
--
-- The function runs with its owner's rights, and so nothing that it runs is for the caller to choose: operators and
-- functions are PostgreSQL's own, the tables those of this migration, for as long as they are plain tables of the
-- function's owner.
DO $migration$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    schemas CONSTANT pg_catalog.name[] := pg_catalog.current_schemas(false);
    place CONSTANT pg_catalog.name := pg_catalog.current_schema();
    projects CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('projects');
    names CONSTANT pg_catalog.name[] := '{devhive_direct_messages,devhive_send_direct}';
    functions CONSTANT pg_catalog.regprocedure := pg_catalog.to_regprocedure('notify_cache_invalidation()');
    members_table CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('project_members');
    -- The first relation or function under these names ($1 in the schema $2) that can't be ours, and why. Ours, and so
    -- are their parts, is what belongs to the functions' owner ($3), to whoever migrates, or to a superuser.
    look CONSTANT pg_catalog.text := $look$
        WITH trusted AS (SELECT oid FROM pg_roles WHERE rolsuper OR rolname IN ($3, current_user))
        SELECT name, fault FROM (
            SELECT pg_class.oid::regclass::text AS name, 'not what direct messages can be kept in: ' || CASE
                WHEN relowner NOT IN (SELECT oid FROM trusted) THEN 'it belongs to ' || pg_get_userbyid(relowner)
                WHEN relhasrules THEN 'it has rules'
                WHEN EXISTS (
                    SELECT FROM pg_trigger
                    WHERE tgrelid = pg_class.oid AND NOT tgisinternal
                ) THEN 'it has triggers'
                WHEN relkind NOT IN ('r', 'p') THEN 'it is no table'
                ELSE (
                    SELECT 'it uses what belongs to ' || pg_get_userbyid(part.owner)
                    FROM (
                        SELECT typowner FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
                        WHERE attrelid = pg_class.oid
                        UNION ALL
                        SELECT child.relowner FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
                        WHERE inhparent = pg_class.oid
                        UNION ALL
                        -- What is needed by the table, its defaults, checks, keys, indexes and policies.
                        SELECT coalesce(proowner, oprowner, opcowner, typowner, used.relowner)
                        FROM (
                            SELECT 'pg_class'::regclass AS kind, pg_class.oid AS part
                            UNION ALL
                            SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = pg_class.oid
                            UNION ALL
                            SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid = pg_class.oid
                            UNION ALL
                            SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = pg_class.oid
                            UNION ALL
                            SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = pg_class.oid
                        ) AS parts
                        JOIN pg_depend ON classid = kind AND objid = part
                        LEFT JOIN pg_proc ON refclassid = 'pg_proc'::regclass AND pg_proc.oid = refobjid
                        LEFT JOIN pg_operator ON refclassid = 'pg_operator'::regclass AND pg_operator.oid = refobjid
                        LEFT JOIN pg_opclass ON refclassid = 'pg_opclass'::regclass AND pg_opclass.oid = refobjid
                        LEFT JOIN pg_type ON refclassid = 'pg_type'::regclass AND pg_type.oid = refobjid
                        LEFT JOIN pg_class AS used ON refclassid = 'pg_class'::regclass AND used.oid = refobjid
                    ) AS part (owner)
                    WHERE part.owner NOT IN (SELECT oid FROM trusted)
                    LIMIT 1
                )
            END AS fault
            FROM pg_class WHERE relnamespace = quote_ident($2)::regnamespace AND relname = ANY ($1)
            UNION ALL
            SELECT pg_proc.oid::regprocedure::text, 'belongs to ' || pg_get_userbyid(proowner)
            FROM pg_proc WHERE pronamespace = quote_ident($2)::regnamespace AND proname = ANY ($1)
                AND proowner NOT IN (SELECT oid FROM trusted)
        ) AS made
        WHERE fault IS NOT NULL LIMIT 1$look$;
    functions_owner pg_catalog.name;
    functions_place pg_catalog.name;
    found pg_catalog.record;
    messages pg_catalog.text;
    members pg_catalog.text;
    user_type pg_catalog.oid;
    project_type pg_catalog.oid;
    definition pg_catalog.text;
    signature pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    FOR found IN
        SELECT made.kind, made.name, rolname AS owner
        FROM (
            SELECT 'the operator' AS kind, oid::regoperator::text AS name, oprowner AS owner,
                oprnamespace AS namespace
            FROM pg_operator
            UNION ALL
            SELECT 'the function', oid::regprocedure::text, proowner, pronamespace FROM pg_proc
            WHERE proname IN (SELECT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace)
                -- Ours itself is looked at by the file that makes it.
                OR proname IN ('notify_cache_invalidation', 'notify_cache_truncation', 'note_cache_cascade',
                        'raise_cache_horizon', 'devhive_send_direct')
                    AND NOT (pronamespace = quote_ident(place)::regnamespace AND oidvectortypes(proargtypes) = CASE proname
                        WHEN 'devhive_send_direct' THEN 'uuid, uuid, uuid, json, boolean, integer, uuid' ELSE '' END)
            UNION ALL
            SELECT 'the type', oid::regtype::text, typowner, typnamespace FROM pg_type
            WHERE typname IN (SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace)
                AND typcategory <> 'A'
                AND NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind <> 'c')
        ) AS made
        JOIN pg_namespace ON pg_namespace.oid = made.namespace
        JOIN pg_roles ON pg_roles.oid = made.owner
        WHERE nspname = ANY (schemas) AND nspname <> 'pg_catalog'
            AND NOT rolsuper AND rolname <> current_user
            AND NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = projects AND relowner = made.owner)
        ORDER BY made.kind, made.name
        LIMIT 1
    LOOP
        RAISE EXCEPTION '% % stands on the search_path and belongs to %: it may run in place of PostgreSQL''s own or ours',
            found.kind, found.name, found.owner
            USING HINT = 'Find out who made it, then drop it, or migrate with a search_path without its schema.';
    END LOOP;
    IF functions IS NULL THEN
        RAISE EXCEPTION 'direct messages need the triggers: function notify_cache_invalidation() does not exist';
    END IF;
    SELECT pg_get_userbyid(proowner), nspname INTO STRICT functions_owner, functions_place
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE pg_proc.oid = functions;
    -- Whoever could make them in the place of dropped ones would get all the rest.
    IF NOT EXISTS (
        SELECT FROM pg_roles JOIN pg_class ON pg_class.oid = projects
        WHERE rolname = functions_owner
            AND (rolsuper OR rolname = current_user OR pg_has_role(pg_roles.oid, relowner, 'MEMBER'))
    ) THEN
        RAISE EXCEPTION 'the function % belongs to %, who is not the owner of projects', functions, functions_owner
            USING HINT = 'Find out who made it, then drop it, and apply 004_add_cache_invalidation_triggers.sql.';
    END IF;
    IF functions_place <> place THEN
        RAISE EXCEPTION 'direct messages belong beside notify_cache_invalidation(), in the schema %', functions_place
            USING HINT = 'Migrate with a search_path that begins with it.';
    END IF;
    messages := format('%I.devhive_direct_messages', place);
    SELECT format('%I.%I', nspname, relname) INTO members
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = members_table;
    SELECT atttypid INTO user_type FROM pg_attribute
    WHERE attrelid = members_table AND attname = 'user_id' AND NOT attisdropped;
    SELECT atttypid INTO project_type FROM pg_attribute
    WHERE attrelid = members_table AND attname = 'project_id' AND NOT attisdropped;
    IF user_type IS NULL OR project_type IS NULL THEN
        RAISE EXCEPTION 'direct messages need project_members with the columns project_id and user_id';
    END IF;

    -- Before any lock of somebody else's is waited for.
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;
    EXECUTE format($create$
CREATE TABLE IF NOT EXISTS %s (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What a cursor of an inbox is compared with, as in the event log: whoever has read all that a snapshot
    -- shows has yet to get what has a number at or above its xmin.
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    sender uuid NOT NULL,
    recipient uuid NOT NULL,
    -- The sender's choice.
    id uuid NOT NULL,
    data json NOT NULL,
    -- Whether the sender is to be told of the acknowledgment: no more so when an invisible user has acknowledged it.
    receipt boolean NOT NULL,
    -- The start of the transaction.
    sent_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    -- From when on nobody gets it and anybody may delete it. An acknowledgment brings it nearer.
    expires_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    -- The connections that sent and that acknowledged it, which know already.
    origin uuid,
    acknowledged_by uuid,
    CONSTRAINT devhive_direct_messages_id UNIQUE (sender, id)
)
    $create$, messages);
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;
    -- The lock that INSERT takes. While it is held nobody gives the table another name, triggers, rules or policies.
    EXECUTE format('LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE', messages);
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;

    -- An inbox, in the order in which it is read. (CREATE INDEX waits for whoever writes, also where the index is there.)
    IF to_regclass(format('%I.devhive_direct_messages_inbox', place)) IS NULL THEN
        EXECUTE format('CREATE INDEX devhive_direct_messages_inbox'
            ' ON %s (recipient, xid, seq) WHERE acknowledged_at IS NULL', messages);
    END IF;
    -- What is to be deleted.
    IF to_regclass(format('%I.devhive_direct_messages_expiry', place)) IS NULL THEN
        EXECUTE format('CREATE INDEX devhive_direct_messages_expiry ON %s (expires_at)', messages);
    END IF;
    -- Another relation of that name, of anybody's, would be taken for it.
    FOR found IN
        SELECT wanted.name, pg_get_userbyid(relowner) AS owner
        FROM unnest('{devhive_direct_messages_inbox,devhive_direct_messages_expiry}'::name[]) AS wanted (name)
        LEFT JOIN pg_class ON relname = wanted.name AND relnamespace = quote_ident(place)::regnamespace
        LEFT JOIN pg_index ON indexrelid = pg_class.oid
        WHERE (indrelid = messages::regclass AND indisvalid) IS NOT TRUE
    LOOP
        RAISE EXCEPTION '% is there already and no valid index of %: it belongs to %', found.name, messages, found.owner
            USING HINT = 'Find out who made it, then drop it.';
    END LOOP;
    -- The gateway needs SELECT, UPDATE and DELETE on the table and EXECUTE on the function; an application needs EXECUTE
    -- alone. Whoever has it can send in anybody's name.
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', messages);

    signature := format('%I.devhive_send_direct(uuid, uuid, uuid, json, boolean, integer, uuid)', place);

    definition := $create$
CREATE OR REPLACE FUNCTION {function}(
    sender uuid, recipient uuid, id uuid, data json, receipt boolean DEFAULT false,
    ttl_s integer DEFAULT 604800, origin uuid DEFAULT NULL
)
RETURNS text
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    is_sent boolean;
BEGIN
    -- PL/pgSQL makes each of its expressions ready once in a transaction, so what is usual is one of them.
    IF (devhive_send_direct.sender IS NOT NULL AND devhive_send_direct.recipient IS NOT NULL
        AND devhive_send_direct.id IS NOT NULL AND devhive_send_direct.receipt IS NOT NULL
        AND devhive_send_direct.ttl_s BETWEEN 1 AND {ttl_s max} AND json_typeof(devhive_send_direct.data) = 'object'
        AND octet_length(devhive_send_direct.data::text) <= {data bytes max}) IS NOT TRUE
    THEN
        IF devhive_send_direct.sender IS NULL OR devhive_send_direct.recipient IS NULL OR devhive_send_direct.id IS NULL
            OR devhive_send_direct.receipt IS NULL OR devhive_send_direct.ttl_s IS NULL
            OR devhive_send_direct.data IS NULL
        THEN
            RAISE EXCEPTION 'a direct message needs a sender, a recipient, an id and data'
                USING ERRCODE = 'null_value_not_allowed';
        END IF;
        IF devhive_send_direct.ttl_s NOT BETWEEN 1 AND {ttl_s max} OR json_typeof(devhive_send_direct.data) <> 'object' THEN
            RAISE EXCEPTION 'data must be an object, and ttl_s from 1 to %', {ttl_s max}
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        RETURN 'too_large';
    END IF;
    -- They stay under their names as soon as they are locked: what is made in their place after the look at them
    -- would be written to.
    LOCK TABLE ONLY {messages} IN ROW EXCLUSIVE MODE;
    LOCK TABLE ONLY {members} IN ACCESS SHARE MODE;
    -- As a rule both are the function's owner's.
    IF (SELECT pg_get_userbyid(messages.relowner) = current_user AND members.relowner = messages.relowner
            AND messages.relkind IN ('r', 'p') AND NOT messages.relhasrules
            AND members.relkind IN ('r', 'p') AND NOT row_security_active(members.oid)
        FROM pg_class AS messages, pg_class AS members
        WHERE messages.oid = to_regclass({name of messages}) AND members.oid = to_regclass({name of members})
        ) IS NOT TRUE
    THEN
        IF (SELECT count(*) FROM pg_class
            WHERE oid = to_regclass({name of messages}) AND relkind IN ('r', 'p') AND NOT relhasrules
                AND pg_get_userbyid(relowner) = current_user
                OR oid = to_regclass({name of members}) AND relkind IN ('r', 'p') AND NOT row_security_active(oid)
                    AND (pg_get_userbyid(relowner) = current_user
                        OR pg_has_role(relowner, 'USAGE') AND NOT EXISTS (
                            SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper))) <> 2
        THEN
            RAISE EXCEPTION 'devhive_direct_messages or project_members is not the table that it was'
                USING ERRCODE = 'undefined_table';
        END IF;
    END IF;

    -- Whether they share a project is looked up in the snapshot of what inserts. Fewer messages than fit whatever they
    -- hold are no full inbox: as a rule nothing has to be added up.
    {insert if} NOT EXISTS (
        SELECT FROM {messages} AS held
        WHERE held.recipient = devhive_send_direct.recipient AND held.acknowledged_at IS NULL AND held.expires_at > now()
        OFFSET {inbox bytes max} / {data bytes max} - 1
    ) {end};
    IF is_sent THEN
        RETURN 'sent';
    END IF;
    -- It may be there already, or is committed by another transaction meanwhile.
    IF {known} THEN
        RETURN 'repeated';
    END IF;
    IF NOT {shared} THEN
        RETURN 'not_allowed';
    END IF;
    {insert if} (
        SELECT count(*) < {inbox count max} AND coalesce(sum(octet_length(held.data::text)), 0)
                + octet_length(devhive_send_direct.data::text) <= {inbox bytes max}
        FROM {messages} AS held
        WHERE held.recipient = devhive_send_direct.recipient AND held.acknowledged_at IS NULL AND held.expires_at > now()
    ) {end};
    IF is_sent THEN
        RETURN 'sent';
    END IF;
    RETURN CASE WHEN {known} THEN 'repeated' ELSE 'inbox_full' END;
END
$$;
$create$;
    definition := replace(definition, '{data bytes max}', '4096');
    definition := replace(definition, '{inbox bytes max}', '1048576');
    definition := replace(definition, '{inbox count max}', '1000');
    definition := replace(definition, '{ttl_s max}', '2592000');
    definition := replace(definition, '{insert if}', $insert$INSERT INTO {messages}
        (sender, recipient, id, data, receipt, expires_at, origin)
    SELECT devhive_send_direct.sender, devhive_send_direct.recipient, devhive_send_direct.id,
        devhive_send_direct.data, devhive_send_direct.receipt,
        now() + make_interval(secs => devhive_send_direct.ttl_s), devhive_send_direct.origin
    WHERE {shared} AND$insert$);
    definition := replace(definition, '{end}', $end$ON CONFLICT DO NOTHING
    RETURNING pg_notify('devhive_direct', 'm ' || recipient || ' ' || sender || ' ' || seq || ' ' || id) IS NOT NULL
        INTO is_sent$end$);
    definition := replace(definition, '{known}', $known$EXISTS (
        SELECT FROM {messages} AS known
        WHERE known.sender = devhive_send_direct.sender AND known.id = devhive_send_direct.id
    )$known$);
    definition := replace(definition, '{shared}', $shared$EXISTS (
        SELECT FROM {members} AS one JOIN {members} AS other ON {same project}
        WHERE {is sender} AND {is recipient}
    )$shared$);
    -- By the column's own type, so that an index on it is used. Text doesn't say in which case its digits are.
    definition := replace(definition, '{same project}', CASE
        WHEN project_type = 'uuid'::regtype THEN 'one.project_id = other.project_id'
        ELSE 'lower(one.project_id::text) = lower(other.project_id::text)' END);
    definition := replace(definition, '{is sender}', CASE
        WHEN user_type = 'uuid'::regtype THEN 'one.user_id = devhive_send_direct.sender'
        ELSE 'one.user_id::text = ANY (ARRAY[devhive_send_direct.sender::text,'
            ' upper(devhive_send_direct.sender::text)])' END);
    definition := replace(definition, '{is recipient}', CASE
        WHEN user_type = 'uuid'::regtype THEN 'other.user_id = devhive_send_direct.recipient'
        ELSE 'other.user_id::text = ANY (ARRAY[devhive_send_direct.recipient::text,'
            ' upper(devhive_send_direct.recipient::text)])' END);
    definition := replace(definition, '{function}', format('%I.devhive_send_direct', place));
    definition := replace(definition, '{name of messages}', quote_literal(messages));
    definition := replace(definition, '{name of members}', quote_literal(members));
    definition := replace(definition, '{messages}', messages);
    definition := replace(definition, '{members}', members);
    EXECUTE definition;
    -- One that was there keeps its owner when it is replaced.
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', signature);
    -- ALTER TABLE waits for whoever reads, so only where it is needed.
    IF (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = signature::regprocedure) <> functions_owner THEN
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', signature, functions_owner);
    END IF;
    IF (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = messages::regclass) <> functions_owner THEN
        EXECUTE format('ALTER TABLE %s OWNER TO %I', messages, functions_owner);
    END IF;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$migration$;
