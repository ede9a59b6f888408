-- The event log: what is announced is also recorded for a while, so that whoever didn't hear it can
-- ask for it. Optional: without this file everything works, and whoever was away fetches all anew.
--
-- A cursor is the xmin of the snapshot in which a change was announced. Announcements arrive in the
-- order of commit. A transaction that commits after the one that was heard last was, when that one
-- took its snapshot, still running or not begun, so its xid is at or above that xmin. Hence
--
--     WHERE project_id = $1 AND xid >= $cursor
--
-- holds all that wasn't heard, and some that was. A sequence number can't do that: numbers are given
-- in the order of writing, and a transaction that commits late hides below those already seen.
--
-- What it costs: about 200 bytes for each announced change (a bulk change is a few dozen), kept for
-- 24 hours (the gateway's `--event-retention`), and some of the writers' throughput
-- (Benchmarks/SINGLE-RUNS.md). Whoever needs the space earlier may DELETE or TRUNCATE: the horizon rises
-- in the same transaction, and whoever resumes from below it is told to fetch everything. (Not where
-- triggers are disabled, or a partition of it is dropped or detached.)
--
-- To take it out of use: DROP TABLE cache_events, cache_events_horizon. Transaction numbers mean
-- nothing in another cluster, and are given again where PostgreSQL has lost what was committed:
-- docs/deployment.md says what to do then ("Transaction numbers that are given again").
--
-- With psql: psql -v ON_ERROR_STOP=1 --single-transaction -f 005_add_event_log.sql
--
-- Needs PostgreSQL 14 or newer. Applying it twice is harmless.

-- Somebody else's operators and functions would be run by this migration, with the rights of whoever applies
-- it, where their types fit better than those of PostgreSQL's own; and in place of our functions by whoever calls
-- those. So the names are looked up on the search_path first, without an operator, and all the rest is read with
-- pg_catalog alone; and where there is any such thing on the path, this is not the place to migrate in.
--
-- All is one statement: what is refused leaves nothing of this file behind, also where psql goes on.
--
-- What somebody else put in the place of the log would run with the rights of whoever writes to it. A look for that
-- holds for as long as a lock does: so the statement makes the tables, locks them, and looks whose they are before it
-- writes to them or gives them to anybody.
DO $migration$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    schemas CONSTANT pg_catalog.name[] := pg_catalog.current_schemas(false);
    place CONSTANT pg_catalog.name := pg_catalog.current_schema();
    functions CONSTANT pg_catalog.regprocedure := pg_catalog.to_regprocedure('notify_cache_invalidation()');
    projects CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('projects');
    sprints CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('sprints');
    tasks CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('tasks');
    members CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('project_members');
    names CONSTANT pg_catalog.name[] := '{cache_events,cache_events_horizon,raise_cache_horizon}';
    -- The first relation or function under these names ($1 in the schema $2) that can't be ours, and why. Ours, and so
    -- are their parts, is what belongs to the functions' owner ($3), to whoever migrates, or to a superuser.
    look CONSTANT pg_catalog.text := $look$
        WITH trusted AS (SELECT oid FROM pg_roles WHERE rolsuper OR rolname IN ($3, current_user))
        SELECT name, fault FROM (
            SELECT pg_class.oid::regclass::text AS name, 'not what the event log can be: ' || CASE
                WHEN relowner NOT IN (SELECT oid FROM trusted) THEN 'it belongs to ' || pg_get_userbyid(relowner)
                WHEN relhasrules THEN 'it has rules'
                WHEN EXISTS (
                    SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
                    WHERE tgrelid = pg_class.oid AND NOT tgisinternal
                        AND NOT (proname = 'raise_cache_horizon' AND pronamespace = relnamespace)
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
                AND pronargs = 0 AND proowner NOT IN (SELECT oid FROM trusted)
        ) AS made
        WHERE fault IS NOT NULL LIMIT 1$look$;
    functions_owner pg_catalog.name;
    found pg_catalog.record;
    events pg_catalog.text;
    horizon pg_catalog.text;
    horizon_function pg_catalog.text;
    definition pg_catalog.text;
    log_table pg_catalog.text;
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
        RAISE EXCEPTION 'the event log needs the triggers: function notify_cache_invalidation() does not exist';
    END IF;
    SELECT pg_get_userbyid(proowner) INTO STRICT functions_owner
    FROM pg_proc WHERE pg_proc.oid = functions;
    -- Whoever could make them in the place of dropped ones would get all the rest.
    IF NOT EXISTS (
        SELECT FROM pg_roles JOIN pg_class ON pg_class.oid = projects
        WHERE rolname = functions_owner
            AND (rolsuper OR rolname = current_user OR pg_has_role(pg_roles.oid, relowner, 'MEMBER'))
    ) THEN
        RAISE EXCEPTION 'the function % belongs to %, who is not the owner of projects', functions, functions_owner
            USING HINT = 'Find out who made it, then drop it, and apply 004_add_cache_invalidation_triggers.sql.';
    END IF;
    events := format('%I.cache_events', place);
    horizon := format('%I.cache_events_horizon', place);
    horizon_function := format('%I.raise_cache_horizon()', place);

    -- Before any lock of somebody else's is waited for.
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;

    -- Writers that are under way have announced changes that will not be recorded: the log begins when
    -- they have ended.
    EXECUTE format('LOCK TABLE %s, %s, %s, %s IN SHARE ROW EXCLUSIVE MODE', projects, sprints, tasks, members);

    EXECUTE format($create$
CREATE TABLE IF NOT EXISTS %s (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    project_id uuid NOT NULL,
    resource text NOT NULL,
    record_id text NOT NULL,
    action text NOT NULL,
    -- The start of the transaction, as in the announcement.
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    -- The order in which the gateway prunes.
    PRIMARY KEY (xid, seq)
)
    $create$, events);
    -- The xid up to which events may have been pruned: a cursor must be above it.
    EXECUTE format($create$
CREATE TABLE IF NOT EXISTS %s (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    xid xid8 NOT NULL
)
    $create$, horizon);
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;
    -- The locks that the triggers and INSERT need. While they are held nobody gives the tables other names, triggers,
    -- rules or policies.
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', events);
    EXECUTE format('LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE', horizon);
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;

    -- What one project's clients ask for.
    EXECUTE format('CREATE INDEX IF NOT EXISTS cache_events_project_xid ON %s (project_id, xid)', events);
    -- "Any row of this resource" once in a transaction, however many rows it changes.
    EXECUTE format($create$
CREATE UNIQUE INDEX IF NOT EXISTS cache_events_bulk ON %s (project_id, resource, action, xid) WHERE record_id = '*'
    $create$, events);
    -- Another relation of that name, of anybody's, would be taken for it.
    FOR found IN
        SELECT wanted.name, pg_get_userbyid(relowner) AS owner
        FROM unnest('{cache_events_project_xid,cache_events_bulk}'::name[]) AS wanted (name)
        LEFT JOIN pg_class ON relname = wanted.name AND relnamespace = quote_ident(place)::regnamespace
        LEFT JOIN pg_index ON indexrelid = pg_class.oid
        WHERE (indrelid = events::regclass AND indisvalid) IS NOT TRUE
    LOOP
        RAISE EXCEPTION '% is there already and no valid index of %: it belongs to %', found.name, events, found.owner
            USING HINT = 'Find out who made it, then drop it.';
    END LOOP;
    -- It begins with this transaction, since nothing was recorded before.
    EXECUTE format('INSERT INTO %s (xid) VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING', horizon);

    -- Whatever removes records raises the horizon in its own transaction: also who deletes some to have the
    -- space, or TRUNCATE, or another table that is made in the place of a dropped one. Otherwise whoever
    -- resumes would miss them without a word.
    definition := $create$
-- With its owner's rights, since who may remove records need not be allowed to change the horizon; and
-- as long as that is a plain table of the owner's. Without it there is no log. What row-level security
-- would keep from being changed is an error, and nothing is removed.
CREATE OR REPLACE FUNCTION {horizon function}
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    removed_xid xid8;
BEGIN
    -- Once it is locked it stays under its name, and as it is. That of somebody else isn't waited for. The locks are
    -- those of what follows.
    IF NOT {horizon is ours} THEN
        RETURN NULL;
    END IF;
    BEGIN
        IF TG_WHEN = 'BEFORE' THEN
            LOCK TABLE ONLY {horizon} IN ROW SHARE MODE;
        ELSE
            LOCK TABLE ONLY {horizon} IN ROW EXCLUSIVE MODE;
        END IF;
    EXCEPTION WHEN undefined_table OR insufficient_privilege OR wrong_object_type THEN
        RETURN NULL;
    END;
    IF NOT {horizon is ours} THEN
        RETURN NULL;
    END IF;
    -- Gateways take turns at pruning by this row, and then lock records: whoever locks them in the other
    -- order would be in a deadlock with them. It isn't waited for here, so that they don't wait either.
    IF TG_WHEN = 'BEFORE' THEN
        PERFORM FROM {horizon} FOR UPDATE SKIP LOCKED;
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        removed_xid := pg_current_xact_id();
    ELSE
        SELECT xid INTO removed_xid FROM removed ORDER BY xid DESC LIMIT 1;
    END IF;
    -- TRUNCATE may have taken the horizon along.
    IF removed_xid IS NOT NULL THEN
        INSERT INTO {horizon} AS raised (xid) VALUES (removed_xid)
        ON CONFLICT (only_row) DO UPDATE SET xid = excluded.xid WHERE raised.xid < excluded.xid;
    END IF;
    RETURN NULL;
END
$$
    $create$;
    definition := replace(definition, '{horizon is ours}', $ours$EXISTS (
        SELECT FROM pg_class
        WHERE oid = to_regclass({name of horizon}) AND relkind = 'r'
            AND pg_get_userbyid(relowner) = current_user AND NOT relhasrules
    )$ours$);
    definition := replace(definition, '{horizon function}', horizon_function);
    definition := replace(definition, '{name of horizon}', quote_literal(horizon));
    definition := replace(definition, '{horizon}', horizon);
    EXECUTE definition;
    -- One that was there keeps its owner when it is replaced.
    EXECUTE look INTO found USING names, place, functions_owner;
    IF found.fault IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and %', found.name, found.fault
            USING HINT = 'Find out who made it, then drop it.';
    END IF;
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', horizon_function);

    -- Before they were there records may have been removed.
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = events::regclass AND tgfoid = horizon_function::regprocedure
            AND tgname = 'cache_events_truncated' AND tgenabled IN ('O', 'A')
    ) THEN
        EXECUTE format('UPDATE %s SET xid = pg_current_xact_id() WHERE xid < pg_current_xact_id()', horizon);
    END IF;
    EXECUTE format('CREATE OR REPLACE TRIGGER cache_events_delete BEFORE DELETE ON %s'
        ' FOR EACH STATEMENT EXECUTE FUNCTION %s', events, horizon_function);
    EXECUTE format('CREATE OR REPLACE TRIGGER cache_events_deleted AFTER DELETE ON %s'
        ' REFERENCING OLD TABLE AS removed'
        ' FOR EACH STATEMENT EXECUTE FUNCTION %s', events, horizon_function);
    EXECUTE format('CREATE OR REPLACE TRIGGER cache_events_truncated AFTER TRUNCATE ON %s'
        ' FOR EACH STATEMENT EXECUTE FUNCTION %s', events, horizon_function);

    -- The triggers' functions record with their owner's rights, and only in tables that are their owner's:
    -- so nobody can put others in their place. Nobody else writes: with a transaction number of the far
    -- future a row would make every cursor expire. The gateway needs SELECT and DELETE on cache_events, and
    -- SELECT and UPDATE on cache_events_horizon; doctor says whether its role has them.
    EXECUTE format('REVOKE ALL ON %s, %s FROM PUBLIC', events, horizon);
    -- ALTER TABLE waits for whoever reads, so only where it is needed.
    FOREACH log_table IN ARRAY ARRAY[events, horizon] LOOP
        IF (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = log_table::regclass) <> functions_owner THEN
            EXECUTE format('ALTER TABLE %s OWNER TO %I', log_table, functions_owner);
        END IF;
    END LOOP;
    IF (SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE oid = horizon_function::regprocedure) <> functions_owner THEN
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', horizon_function, functions_owner);
    END IF;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$migration$;
