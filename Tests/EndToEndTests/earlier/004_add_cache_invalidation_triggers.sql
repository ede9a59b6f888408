-- Every change of projects, sprints, tasks and project_members is announced on the channel
-- `cache_invalidate`, as one JSON object without white space:
--
--   {"resource":"tasks","id":"…","action":"UPDATE","project_id":"…","timestamp":"…Z","origin":"…"}
--
-- The id of a member is `project:user`. The timestamp is the start of the transaction, in UTC with
-- microseconds. `origin` is there when the writer has set `devhive.origin` (with SET LOCAL) to the
-- connection that asked for the change.
--
-- What is announced as what:
--   * an UPDATE that changes nothing: not at all;
--   * an UPDATE that moves a row to another project, or gives it another id: DELETE of the old one,
--     then INSERT of the new one, so that both projects hear of it;
--   * TRUNCATE: DELETE of the id `*`, to every project (`*` means "any row of this resource");
--   * bulk changes: the first 32 rows of a table in a transaction by their ids, the rest as `*`.
--     PostgreSQL sends identical payloads of one transaction once, so that a million changed rows
--     become 33 notifications;
--   * partitions: under the name of the partitioned table, a row that moves between them as DELETE and
--     INSERT. TRUNCATE of one partition alone, and attaching, detaching or dropping one, isn't
--     announced: PostgreSQL fires nothing of ours then.
--
-- No writer's transaction fails for it: whatever goes wrong becomes a WARNING. (Two limits are
-- PostgreSQL's own: PREPARE TRANSACTION refuses transactions that notify, and a commit fails when
-- the notification queue, 8 GB, is full.) Sessions with `session_replication_role = replica` fire
-- no triggers and announce nothing.
--
-- Where the event log of `005_add_event_log.sql` is installed, in the schema of these functions, what
-- is announced is recorded there too, and the payload has one key more, `cursor`: that file says what
-- it means.
-- Dropping the log's tables takes it out of use at once.
--
-- Needs PostgreSQL 14 or newer. Applying it twice is harmless.

-- Better a migration that fails than a warning at each write.
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(needed.table_name || '.' || needed.column_name, ', ')
    INTO missing
    FROM (
        VALUES ('projects', 'id'),
            ('sprints', 'id'), ('sprints', 'project_id'),
            ('tasks', 'id'), ('tasks', 'project_id'),
            ('project_members', 'project_id'), ('project_members', 'user_id')
    ) AS needed (table_name, column_name)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(needed.table_name)
            AND attname = needed.column_name
            AND NOT attisdropped
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the cache invalidation triggers need columns that do not exist: %', missing;
    END IF;
END
$$;

-- The two functions. Both run with their owner's rights: who writes through a view need not be
-- allowed to use the tables' schema, and who may truncate a table need not be allowed to read all
-- projects. So nothing that they run is for the writer to choose:
--   * they find functions, operators and types in pg_catalog alone, not on the writer's search_path,
--     where somebody's overload could be the better match (it costs a tenth of what a row of a bulk
--     change takes in all, and a sixth of an UPDATE of one row in a larger transaction);
--   * the tables that they read and write are those of this migration, not those beside the table
--     that fires them;
--   * whoever isn't their owner can't make a trigger of them. (EXECUTE is looked at when a trigger is
--     made, not when it fires.) Who is to have it for tables of his own gets the rights of the owner.
DO $migration$
DECLARE
    events CONSTANT text := format('%I.cache_events', current_schema());
    projects text;
    owner name;
    definition text;
BEGIN
    SELECT format('%I.%I', pg_namespace.nspname, pg_class.relname), pg_get_userbyid(pg_class.relowner)
    INTO projects, owner
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_class.oid = to_regclass('projects');

    FOREACH definition IN ARRAY ARRAY[$create$
-- Announces one row.
--
-- What this transaction has announced is kept in a transaction-local setting for each table,
-- `devhive.announced_<oid>` (names of settings have no other characters than letters, digits and `_`,
-- and ignore case): one dot for each row announced by its id, then a word
-- `ACTION:project;` for each `*`. ROLLBACK TO SAVEPOINT takes back the setting and the notifications
-- together, so that the two always agree. A value that somebody else has set fails nothing.
CREATE OR REPLACE FUNCTION notify_cache_invalidation()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rows_by_id_max CONSTANT integer := 32;
    -- About 370 projects. When more of them change by turns in one transaction, PostgreSQL has to
    -- drop the repeated payloads: slower, but the same is sent.
    announced_characters_max CONSTANT integer := 16384;
    -- Connection ids are shorter. What is longer matches none of them, cut or whole.
    origin_characters_max CONSTANT integer := 64;
    -- PostgreSQL raises an error for a payload of 8,000 bytes.
    payload_bytes_max CONSTANT integer := 7999;

    root oid;
    table_name name := TG_TABLE_NAME;
    setting text;
    announced text;
    log_cursor text;
    recorded_projects text[];
    recorded_ids text[];
    recorded_actions text[];
    old_project text;
    new_project text;
    old_id text;
    new_id text;
    actions text[];
    action text;
    project text;
    id text;
    payload text;
BEGIN
    -- A block with EXCEPTION is a subtransaction for each row: one microsecond of the five that this
    -- function adds to the eight of a row of a bulk UPDATE. The function that it replaces added seven.
    BEGIN
        -- Null for a table that is no partition: a look at a cached row of pg_class.
        root := pg_partition_root(TG_RELID);
        IF root <> TG_RELID THEN
            SELECT relname INTO table_name FROM pg_class WHERE oid = root;
        END IF;
        setting := 'devhive.announced_' || coalesce(root, TG_RELID);
        announced := coalesce(current_setting(setting, true), '');

        -- OLD is all nulls in an INSERT, NEW in a DELETE.
        IF table_name = 'projects' THEN
            old_project := OLD.id;
            new_project := NEW.id;
            old_id := old_project;
            new_id := new_project;
        ELSIF table_name = 'project_members' THEN
            old_project := OLD.project_id;
            new_project := NEW.project_id;
            old_id := old_project || ':' || OLD.user_id;
            new_id := new_project || ':' || NEW.user_id;
        ELSE
            old_project := OLD.project_id;
            new_project := NEW.project_id;
            old_id := OLD.id;
            new_id := NEW.id;
        END IF;

        IF TG_OP <> 'UPDATE' THEN
            actions := ARRAY[TG_OP];
        ELSIF old_id IS DISTINCT FROM new_id OR old_project IS DISTINCT FROM new_project THEN
            actions := ARRAY['DELETE', 'INSERT'];
        -- Most rows of a bulk change end here, before their columns are compared.
        ELSIF strpos(announced, 'UPDATE:' || new_project || ';') > 0 THEN
            RETURN NULL;
        -- `*=` compares bytes: it works for types without an equality of their own, such as json,
        -- and sees a change of case in citext.
        ELSIF OLD *= NEW THEN
            RETURN NULL;
        ELSE
            actions := ARRAY['UPDATE'];
        END IF;

        FOREACH action IN ARRAY actions LOOP
            IF action = 'DELETE' THEN
                project := old_project;
                id := old_id;
            ELSE
                project := new_project;
                id := new_id;
            END IF;
            -- No row can be found by it, and the gateway refuses payloads without an id.
            id := coalesce(nullif(id, ''), '*');
            CONTINUE WHEN project IS NULL OR strpos(announced, action || ':' || project || ';') > 0;

            IF length(announced) < rows_by_id_max THEN
                announced := announced || '.';
            ELSE
                id := '*';
                IF length(announced) > announced_characters_max THEN
                    announced := left(announced, rows_by_id_max);
                END IF;
                announced := announced || action || ':' || project || ';';
            END IF;

            IF to_regclass({name of events}) IS NOT NULL THEN
                -- One for the whole transaction, or repeated payloads would differ in it. The first
                -- is the lowest, and so as good as any.
                log_cursor := nullif(current_setting('devhive.cursor', true), '');
                IF log_cursor IS NULL THEN
                    log_cursor := pg_snapshot_xmin(pg_current_snapshot());
                    PERFORM set_config('devhive.cursor', log_cursor, true);
                END IF;
            END IF;

            LOOP
                payload := json_strip_nulls(json_build_object(
                    'resource', table_name,
                    'id', id,
                    'action', action,
                    'project_id', project,
                    'timestamp',
                    to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'cursor', log_cursor,
                    'origin',
                    nullif(left(current_setting('devhive.origin', true), origin_characters_max), '')
                ));
                EXIT WHEN octet_length(payload) <= payload_bytes_max OR id = '*';
                id := '*';
            END LOOP;

            PERFORM set_config(setting, announced, true);
            PERFORM pg_notify('cache_invalidate', payload);
            recorded_projects := recorded_projects || project;
            recorded_ids := recorded_ids || id;
            recorded_actions := recorded_actions || action;
        END LOOP;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'a change of % could not be announced: %', table_name, SQLERRM;
    END;

    -- In a block of its own: whoever listens hears of the change even when it can't be recorded.
    IF log_cursor IS NOT NULL AND recorded_ids IS NOT NULL THEN
        BEGIN
            FOR position IN 1 .. cardinality(recorded_ids) LOOP
                project := recorded_projects[position];
                id := recorded_ids[position];
                action := recorded_actions[position];
                IF id <> '*' THEN
                    INSERT INTO {events} (project_id, resource, record_id, action)
                    VALUES (project::uuid, table_name, id, action);
                ELSE
                    -- Only `*` can be there already (see `announced_characters_max`).
                    INSERT INTO {events} (project_id, resource, record_id, action)
                    VALUES (project::uuid, table_name, id, action) ON CONFLICT DO NOTHING;
                END IF;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'a change of % could not be recorded: %', table_name, SQLERRM;
        END;
    END IF;
    RETURN NULL;
END
$$
    $create$, $create$
-- Announces a TRUNCATE to every project that exists. It runs before the rows are gone, and with
-- CASCADE before those of any table are.
--
-- 100,000 projects take about 17 MB of the notification queue and a second. What is beyond them
-- isn't announced, and the WARNING says so: the gateways' clients are to be reconnected then.
CREATE OR REPLACE FUNCTION notify_cache_truncation()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    projects_max CONSTANT integer := 100000;
    origin_characters_max CONSTANT integer := 64;

    log_cursor text;
    project text;
    announced integer := 0;
BEGIN
    IF to_regclass({name of events}) IS NOT NULL THEN
        log_cursor := pg_snapshot_xmin(pg_current_snapshot());
        -- In a block of its own, as for rows. Ids that are text need not all be UUIDs; the gateway
        -- serves no others.
        BEGIN
            INSERT INTO {events} (project_id, resource, record_id, action)
            SELECT id::text::uuid, TG_TABLE_NAME, '*', 'DELETE' FROM {projects}
            WHERE id::text ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' LIMIT projects_max
            ON CONFLICT DO NOTHING;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'TRUNCATE of % could not be recorded: %', TG_TABLE_NAME, SQLERRM;
        END;
    END IF;
    FOR project IN SELECT id FROM {projects} LOOP
        IF announced = projects_max THEN
            RAISE WARNING 'TRUNCATE of % was announced to % projects only', TG_TABLE_NAME, announced;
            EXIT;
        END IF;
        PERFORM pg_notify('cache_invalidate', json_strip_nulls(json_build_object(
            'resource', TG_TABLE_NAME,
            'id', '*',
            'action', 'DELETE',
            'project_id', project,
            'timestamp',
            to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'cursor', log_cursor,
            'origin',
            nullif(left(current_setting('devhive.origin', true), origin_characters_max), '')
        ))::text);
        announced := announced + 1;
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'TRUNCATE of % could not be announced: %', TG_TABLE_NAME, SQLERRM;
    RETURN NULL;
END
$$
    $create$] LOOP
        EXECUTE replace(replace(replace(definition,
            '{name of events}', quote_literal(events)), '{events}', events), '{projects}', projects);
    END LOOP;
    REVOKE EXECUTE ON FUNCTION notify_cache_invalidation(), notify_cache_truncation() FROM PUBLIC;

    -- A superuser's rights would be within reach of whoever owns the tables, by a rule, a policy or a
    -- type of theirs: the functions get their owner's.
    IF current_setting('is_superuser')::boolean THEN
        EXECUTE format('ALTER FUNCTION notify_cache_invalidation() OWNER TO %I', owner);
        EXECUTE format('ALTER FUNCTION notify_cache_truncation() OWNER TO %I', owner);
    END IF;
END
$migration$;

CREATE OR REPLACE TRIGGER projects_cache_invalidate
AFTER INSERT OR UPDATE OR DELETE ON projects
FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation();

CREATE OR REPLACE TRIGGER sprints_cache_invalidate
AFTER INSERT OR UPDATE OR DELETE ON sprints
FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation();

CREATE OR REPLACE TRIGGER tasks_cache_invalidate
AFTER INSERT OR UPDATE OR DELETE ON tasks
FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation();

CREATE OR REPLACE TRIGGER project_members_cache_invalidate
AFTER INSERT OR UPDATE OR DELETE ON project_members
FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation();

CREATE OR REPLACE TRIGGER projects_cache_invalidate_truncate
BEFORE TRUNCATE ON projects
FOR EACH STATEMENT EXECUTE FUNCTION notify_cache_truncation();

CREATE OR REPLACE TRIGGER sprints_cache_invalidate_truncate
BEFORE TRUNCATE ON sprints
FOR EACH STATEMENT EXECUTE FUNCTION notify_cache_truncation();

CREATE OR REPLACE TRIGGER tasks_cache_invalidate_truncate
BEFORE TRUNCATE ON tasks
FOR EACH STATEMENT EXECUTE FUNCTION notify_cache_truncation();

CREATE OR REPLACE TRIGGER project_members_cache_invalidate_truncate
BEFORE TRUNCATE ON project_members
FOR EACH STATEMENT EXECUTE FUNCTION notify_cache_truncation();
