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
-- Needs PostgreSQL 14 or newer. Applying it twice is harmless.

-- Somebody else's operators and functions would be run by this migration, with the rights of whoever applies
-- it, where their types fit better than those of PostgreSQL's own. So the blocks below look up the names
-- on the search_path first, in statements without an operator, and then go on with pg_catalog alone;
-- and where there is any such thing on the path, this is not the place to migrate in.
DO $$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    schemas CONSTANT pg_catalog.name[] := pg_catalog.current_schemas(false);
    projects CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('projects');
    found pg_catalog.record;
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
        RAISE EXCEPTION '% % stands on the search_path and belongs to %: it may run in place of PostgreSQL''s own',
            found.kind, found.name, found.owner
            USING HINT = 'Find out who made it, then drop it, or migrate with a search_path without its schema.';
    END LOOP;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$$;

-- What somebody else put in the place of the log would run with the rights of whoever writes to it.
DO $$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    place CONSTANT pg_catalog.name := pg_catalog.current_schema();
    functions CONSTANT pg_catalog.regprocedure := pg_catalog.to_regprocedure('notify_cache_invalidation()');
    functions_owner pg_catalog.name;
    found pg_catalog.record;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF functions IS NULL THEN
        RAISE EXCEPTION 'the event log needs the triggers: function notify_cache_invalidation() does not exist';
    END IF;
    SELECT pg_get_userbyid(proowner) INTO STRICT functions_owner FROM pg_proc WHERE oid = functions;
    FOR found IN
        SELECT pg_proc.oid::regprocedure AS name, rolname AS owner
        FROM pg_proc JOIN pg_roles ON pg_roles.oid = proowner
        WHERE pronamespace = quote_ident(place)::regnamespace
            AND proname = 'raise_cache_horizon' AND pronargs = 0
            AND rolname NOT IN (functions_owner, current_user) AND NOT rolsuper
    LOOP
        RAISE EXCEPTION 'the function % is there already and belongs to %', found.name, found.owner
            USING HINT = 'Find out who made it, then drop it.';
    END LOOP;
    FOR found IN
        SELECT pg_class.oid::regclass AS name, rolname AS owner, relkind, relhasrules,
            EXISTS (
                SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
                WHERE tgrelid = pg_class.oid AND NOT tgisinternal
                    AND NOT (proname = 'raise_cache_horizon'
                        AND pronamespace = quote_ident(place)::regnamespace)
            ) AS has_triggers,
            rolname NOT IN (functions_owner, current_user) AND NOT rolsuper AS is_foreign
        FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
        WHERE relnamespace = quote_ident(place)::regnamespace
            AND relname IN ('cache_events', 'cache_events_horizon')
    LOOP
        CONTINUE WHEN found.relkind IN ('r', 'p') AND NOT found.is_foreign
            AND NOT found.relhasrules AND NOT found.has_triggers;
        RAISE EXCEPTION '% is there already and not what the event log can be: %', found.name,
            CASE
                WHEN found.is_foreign THEN 'it belongs to ' || found.owner
                WHEN found.relhasrules THEN 'it has rules'
                WHEN found.has_triggers THEN 'it has triggers'
                ELSE 'it is no table'
            END
            USING HINT = 'Find out who made it, then drop it.';
    END LOOP;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$$;

-- Writers that are under way have announced changes that will not be recorded: the log begins when
-- they have ended. (In a block, because psql may run each statement in a transaction of its own. The
-- lock ends with that one then, and isn't needed: the horizon below comes after the tables.)
DO $$
BEGIN
    LOCK TABLE projects, sprints, tasks, project_members IN SHARE ROW EXCLUSIVE MODE;
END
$$;

CREATE TABLE IF NOT EXISTS cache_events (
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
);

-- What one project's clients ask for.
CREATE INDEX IF NOT EXISTS cache_events_project_xid ON cache_events (project_id, xid);

-- "Any row of this resource" once in a transaction, however many rows it changes.
CREATE UNIQUE INDEX IF NOT EXISTS cache_events_bulk
ON cache_events (project_id, resource, action, xid) WHERE record_id OPERATOR(pg_catalog.=) '*';

-- The xid up to which events may have been pruned: a cursor must be above it. It begins with this
-- transaction, since nothing was recorded before.
CREATE TABLE IF NOT EXISTS cache_events_horizon (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    xid xid8 NOT NULL
);
INSERT INTO cache_events_horizon (xid) VALUES (pg_catalog.pg_current_xact_id()) ON CONFLICT DO NOTHING;

-- Whatever removes records raises the horizon in its own transaction: also who deletes some to have the
-- space, or TRUNCATE, or another table that is made in the place of a dropped one. Otherwise whoever
-- resumes would miss them without a word.
DO $migration$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    place CONSTANT pg_catalog.name := pg_catalog.current_schema();
    events CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('cache_events');
    horizon pg_catalog.text;
    horizon_function pg_catalog.text;
    definition pg_catalog.text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    horizon := format('%I.cache_events_horizon', place);
    horizon_function := format('%I.raise_cache_horizon()', place);
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
    IF NOT EXISTS (
        SELECT FROM pg_class
        WHERE oid = to_regclass({name of horizon}) AND relkind = 'r'
            AND pg_get_userbyid(relowner) = current_user AND NOT relhasrules
    ) THEN
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
    definition := replace(definition, '{horizon function}', horizon_function);
    definition := replace(definition, '{name of horizon}', quote_literal(horizon));
    definition := replace(definition, '{horizon}', horizon);
    EXECUTE definition;
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', horizon_function);

    -- Before they were there records may have been removed.
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = events AND tgfoid = horizon_function::regprocedure
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
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$migration$;

-- The triggers' functions record with their owner's rights, and only in tables that are their owner's:
-- so nobody can put others in their place. Nobody else writes: with a transaction number of the far
-- future a row would make every cursor expire. The gateway needs SELECT and DELETE on cache_events, and
-- SELECT and UPDATE on cache_events_horizon; doctor says whether its role has them.
REVOKE ALL ON cache_events, cache_events_horizon FROM PUBLIC;
DO $$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    functions CONSTANT pg_catalog.regprocedure := pg_catalog.to_regprocedure('notify_cache_invalidation()');
    events CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('cache_events');
    horizon CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('cache_events_horizon');
    functions_owner pg_catalog.name;
    log_table pg_catalog.regclass;
    log_function pg_catalog.regprocedure;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT pg_get_userbyid(proowner) INTO STRICT functions_owner FROM pg_proc WHERE oid = functions;
    -- ALTER TABLE waits for whoever reads, so only where it is needed.
    FOR log_table IN
        SELECT oid FROM pg_class
        WHERE oid IN (events, horizon)
            AND pg_get_userbyid(relowner) <> functions_owner
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %I', log_table, functions_owner);
    END LOOP;
    FOR log_function IN
        SELECT pg_proc.oid FROM pg_proc JOIN pg_class ON pg_class.oid = events
        WHERE pronamespace = relnamespace AND proname = 'raise_cache_horizon' AND pronargs = 0
            AND pg_get_userbyid(proowner) <> functions_owner
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', log_function, functions_owner);
    END LOOP;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$$;
