-- Every change of projects, sprints, tasks and project_members is announced on the channel
-- `cache_invalidate`, as one JSON object without white space or line ends:
--
--   {"resource":"tasks","id":"...","action":"UPDATE","project_id":"...","timestamp":"...Z",
--    "origin":"..."}
--
-- The id of a member is `project:user`. The timestamp is the start of the transaction, in UTC with
-- microseconds. `origin` is there when the writer has set `devhive.origin` (with SET LOCAL) to the
-- connection that asked for the change, and the change is of the writer's own statement: what a foreign
-- key or another trigger changes besides has none, because that connection doesn't know of it. Nor has
-- TRUNCATE. (A table of your own needs the trigger with note_cache_cascade too for that, below.)
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
--     announced: PostgreSQL fires nothing of ours then;
--   * children by INHERITS: not at all, unless they have triggers of their own. doctor names them.
--
-- No writer's transaction fails for it, and no failure is silence. Where a row can't be announced by
-- its id (the type of a column was changed while sessions were open, a column was renamed) its project
-- hears `*`; where not even the project can be found, every project does, up to 1,000. Each time it
-- is a WARNING, and counted in the sequence `cache_failures`; what not everybody was told, or what the
-- event log lacks, is counted in `cache_losses` too. The gateway reads both, and doctor tells.
-- (Two limits are PostgreSQL's own: PREPARE TRANSACTION refuses transactions that notify, and a commit
-- fails when the notification queue, 8 GB, is full.) Sessions with `session_replication_role =
-- replica` fire no triggers and announce nothing.
--
-- Where the event log of `005_add_event_log.sql` is installed, in the schema of these functions, what
-- is announced is recorded there too, and the payload has one key more, `cursor`: that file says what
-- it means. Dropping the log's tables takes it out of use at once. A table of that name that belongs to
-- somebody else isn't used.
--
-- It takes locks on the four tables that wait for the writers under way, and writers wait behind it.
-- `devhive-gateway migrate` gives way to them; with psql, set lock_timeout:
--
--     psql -v ON_ERROR_STOP=1 --single-transaction -f 004_add_cache_invalidation_triggers.sql
--
-- Who owns `projects` owns what it makes, also when a superuser applies it: where others may create tables in that
-- schema, look whose `projects` is. The other three have to belong to that role too, or to one that may act as it, a
-- superuser or who applies this, unless they have the triggers already.
--
-- Needs PostgreSQL 14 or newer. Applying it twice is harmless.

-- Somebody else's operators and functions would be run by this migration, with the rights of whoever applies
-- it, where their types fit better than those of PostgreSQL's own; and in place of our functions by whoever calls
-- those. So the names are looked up on the search_path first, without an operator, and all the rest is read with
-- pg_catalog alone; and where there is any such thing on the path, this is not the place to migrate in.
--
-- All is one statement: what is refused leaves nothing of this file behind, also where psql goes on.
--
-- The functions. Those that announce run with their owner's rights: who writes through a view need not
-- be allowed to use the tables' schema, and who may truncate a table need not be allowed to read all
-- projects. So nothing that they run is for the writer to choose:
--   * they find functions, operators and types in pg_catalog alone, not on the writer's search_path,
--     where somebody's overload could be the better match (it costs a tenth of what a row of a bulk
--     change takes in all, and a sixth of an UPDATE of one row in a larger transaction);
--   * the tables that they read and write are those of this migration, not those beside the table
--     that fires them, and only as long as they are plain tables of the functions' owner: whoever may
--     create tables in that schema can't put one in their place when they were dropped;
--   * whoever isn't their owner can't make a trigger of them. (EXECUTE is looked at when a trigger is
--     made, not when it fires.) Who is to have it for tables of his own gets the rights of the owner.
DO $migration$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    schemas CONSTANT pg_catalog.name[] := pg_catalog.current_schemas(false);
    -- In this one everything is made.
    place CONSTANT pg_catalog.name := pg_catalog.current_schema();
    projects_table CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('projects');
    sprints_table CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('sprints');
    tasks_table CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('tasks');
    members_table CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('project_members');
    our_functions CONSTANT pg_catalog.name[] := '{notify_cache_invalidation,notify_cache_truncation,note_cache_cascade}';
    our_sequences CONSTANT pg_catalog.name[] := '{cache_failures,cache_losses,cache_marks}';
    announcing pg_catalog.oid[];
    trigger_name pg_catalog.name;
    sequence_name pg_catalog.name;
    events pg_catalog.text;
    horizon pg_catalog.text;
    projects pg_catalog.text;
    tables_owner pg_catalog.name;
    found pg_catalog.record;
    missing pg_catalog.text;
    definition pg_catalog.text;
    row_function pg_catalog.text;
    truncation_function pg_catalog.text;
    cascade_function pg_catalog.text;
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
            AND NOT EXISTS (SELECT FROM pg_class WHERE pg_class.oid = projects_table AND relowner = made.owner)
        ORDER BY made.kind, made.name
        LIMIT 1
    LOOP
        RAISE EXCEPTION '% % stands on the search_path and belongs to %: it may run in place of PostgreSQL''s own or ours',
            found.kind, found.name, found.owner
            USING HINT = 'Find out who made it, then drop it, or migrate with a search_path without its schema.';
    END LOOP;
    -- Better a migration that fails than a warning at each write.
    SELECT string_agg(needed.table_name || '.' || needed.column_name, ', ')
    INTO missing
    FROM (
        VALUES ('projects', projects_table, 'id'),
            ('sprints', sprints_table, 'id'), ('sprints', sprints_table, 'project_id'),
            ('tasks', tasks_table, 'id'), ('tasks', tasks_table, 'project_id'),
            ('project_members', members_table, 'project_id'), ('project_members', members_table, 'user_id')
    ) AS needed (table_name, oid, column_name)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = needed.oid
            AND attname = needed.column_name
            AND NOT attisdropped
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the cache invalidation triggers need columns that do not exist: %', missing;
    END IF;

    events := format('%I.cache_events', place);
    horizon := format('%I.cache_events_horizon', place);
    row_function := format('%I.notify_cache_invalidation()', place);
    truncation_function := format('%I.notify_cache_truncation()', place);
    cascade_function := format('%I.note_cache_cascade()', place);
    SELECT format('%I.%I', pg_namespace.nspname, pg_class.relname), pg_get_userbyid(pg_class.relowner)
    INTO projects, tables_owner
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_class.oid = projects_table;

    -- The functions read its columns, by its owner's types, with the rights of whoever migrates.
    IF NOT (pg_has_role(tables_owner, 'MEMBER') OR (SELECT rolsuper FROM pg_roles WHERE rolname = tables_owner)) THEN
        RAISE EXCEPTION 'projects belongs to %, and % is not a member of that role', tables_owner, current_user
            USING HINT = 'Find out who made it; then drop it, or migrate as its owner.';
    END IF;

    -- Whoever made them before, to own what this migration makes of them, is found out.
    FOR found IN
        SELECT kind, name, pg_get_userbyid(made.owner) AS owner
        FROM (
            SELECT 'the function' AS kind, oid::regprocedure::text AS name, proowner AS owner
            FROM pg_proc
            WHERE pronamespace = quote_ident(place)::regnamespace AND pronargs = 0
                AND proname = ANY (our_functions)
            UNION ALL
            SELECT 'the relation', oid::regclass::text, relowner FROM pg_class
            WHERE relnamespace = quote_ident(place)::regnamespace AND relname = ANY (our_sequences)
        ) AS made
        JOIN pg_roles ON pg_roles.oid = made.owner
        WHERE rolname NOT IN (tables_owner, current_user) AND NOT rolsuper
    LOOP
        RAISE EXCEPTION '% % is there already and belongs to %', found.kind, found.name, found.owner
            USING HINT = 'Find out who made it, then drop it or give it to the owner of projects.';
    END LOOP;

    FOREACH sequence_name IN ARRAY our_sequences LOOP
        EXECUTE format('CREATE SEQUENCE IF NOT EXISTS %I.%I', place, sequence_name);
    END LOOP;

    FOREACH definition IN ARRAY ARRAY[$create$
-- Announces one row.
--
-- What this transaction has announced is kept in a transaction-local setting for each table,
-- `devhive.announced_<oid>` (names of settings have no other characters than letters, digits and `_`,
-- and ignore case): the microsecond of the transaction's start, then one dot for each row announced by its id, then
-- a word `ACTION:project@;` for each `*`, or `ACTION:project@<hash>;` for one that has an origin, which doesn't
-- stand for changes of another. ROLLBACK TO SAVEPOINT takes back the setting and the notifications
-- together, so that the two always agree. What somebody else has set, for a session that goes on, hasn't
-- that in front, and isn't believed: the start of a transaction to come can't be told, as its number can. What
-- the writer sets in its own transaction is: it can hide what that transaction changes, or others that begin with the
-- same message to the server, and nothing of another. (What only this function's owner may write to, and ROLLBACK TO
-- SAVEPOINT takes back, is a table, with a write of its own for each row.)
--
-- `devhive.cursor` is kept in the same way: the start, what there is of the event log (`f`: one that is
-- ours and was written to once, `p`: a plain table besides, `g`: one for which INSERT may fail, `-`: none),
-- then the cursor. The sequence `cache_marks` says which transactions have looked. Whose the log is isn't theirs to
-- say: ROLLBACK TO SAVEPOINT gives the lock on it back, and leaves the sequence as it is. So each row that is
-- recorded locks the log, which is a look into the backend's own locks where it is held, and then looks whose it is.
CREATE OR REPLACE FUNCTION {row function}
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
    -- Only for changes of which the project can't be found, once in a transaction.
    projects_max CONSTANT integer := 1000;

    mark text := {mark};
    root oid;
    table_name name := TG_TABLE_NAME;
    setting text;
    announced text;
    origin text;
    star text := '@;';
    log_mode text := '-';
    log_cursor text;
    recorded_projects text[];
    recorded_ids text[];
    recorded_actions text[];
    old_row jsonb;
    new_row jsonb;
    old_project text;
    new_project text;
    old_id text;
    new_id text;
    actions text[];
    action text;
    project text;
    id text;
    payload text;
    attempt integer := 1;
    failure text;
    unrecorded text;
    is_loss boolean := false;
    is_locking boolean := false;
    is_patient boolean := false;
    is_locked boolean;
BEGIN
    LOOP
        -- A block with EXCEPTION is a subtransaction for each row: one microsecond of the five that
        -- this function adds to the eight of a row of a bulk UPDATE. It gets no number, since nothing
        -- is written in it. The function that it replaces added seven.
        BEGIN
            -- Null for a table that is no partition: a look at a cached row of pg_class.
            root := pg_partition_root(TG_RELID);
            IF root <> TG_RELID THEN
                SELECT relname INTO table_name FROM pg_class WHERE oid = root;
            END IF;
            setting := 'devhive.announced_' || coalesce(root, TG_RELID);
            announced := current_setting(setting, true);
            IF starts_with(announced, mark) IS NOT TRUE THEN
                announced := mark;
            END IF;

            IF attempt = 2 THEN
                -- No plan that was made for the columns' former types is in the way of this.
                IF TG_OP <> 'INSERT' THEN
                    old_row := to_jsonb(OLD);
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    new_row := to_jsonb(NEW);
                END IF;
                id := CASE WHEN table_name = 'projects' THEN 'id' ELSE 'project_id' END;
                IF NOT coalesce(old_row ? id AND new_row ? id, old_row ? id, new_row ? id) THEN
                    RAISE EXCEPTION 'it has no column %', id;
                END IF;
                old_project := old_row ->> id;
                new_project := new_row ->> id;
                actions := CASE
                    WHEN TG_OP <> 'UPDATE' THEN ARRAY[TG_OP]
                    WHEN old_row = new_row THEN ARRAY[]::text[]
                    WHEN old_project IS DISTINCT FROM new_project THEN ARRAY['DELETE', 'INSERT']
                    ELSE ARRAY['UPDATE']
                END;
                old_id := '*';
                new_id := '*';
            ELSE
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
                ELSIF strpos(announced, 'UPDATE:' || new_project || '@;') > 0 THEN
                    RETURN NULL;
                -- `*=` compares bytes: it works for types without an equality of their own, such as
                -- json, and sees a change of case in citext.
                ELSIF OLD *= NEW THEN
                    RETURN NULL;
                ELSE
                    actions := ARRAY['UPDATE'];
                END IF;
            END IF;

            -- What cascades or is done by another trigger isn't what the writer asked for.
            origin := nullif(left(current_setting('devhive.origin', true), origin_characters_max), '');
            IF origin IS NOT NULL THEN
                IF pg_trigger_depth() > 1
                    OR starts_with(
                        current_setting('devhive.cascaded_' || coalesce(root, TG_RELID), true), mark)
                THEN
                    origin := NULL;
                ELSE
                    star := '@' || hashtextextended(origin, 0) || ';';
                END IF;
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
                CONTINUE WHEN project IS NULL
                    OR strpos(announced, action || ':' || project || '@;') > 0
                    OR origin IS NOT NULL AND strpos(announced, action || ':' || project || star) > 0;

                IF attempt = 1 AND length(announced) < length(mark) + rows_by_id_max THEN
                    announced := announced || '.';
                ELSE
                    id := '*';
                    IF length(announced) > announced_characters_max THEN
                        announced := left(announced, length(mark) + rows_by_id_max);
                    END IF;
                    announced := announced || action || ':' || project || star;
                END IF;

                IF recorded_ids IS NULL THEN
                    log_cursor := current_setting('devhive.cursor', true);
                    IF starts_with(log_cursor, mark) THEN
                        log_mode := substr(log_cursor, length(mark) + 1, 1);
                        log_cursor := substr(log_cursor, length(mark) + 2);
                        IF log_mode <> '-' AND NOT is_patient THEN
                            -- It is held, or else an error leads to the look below: a block of its own would cost
                            -- each row as much as the lock does.
                            is_locking := true;
                            LOCK TABLE ONLY {events} IN ROW EXCLUSIVE MODE NOWAIT;
                            is_locking := false;
                            IF NOT {log is ours} THEN
                                log_mode := '-';
                            ELSIF log_mode = 'p' THEN
                                -- Not for a setting to say: INSERT has no block. What this session has set the
                                -- sequence to, which only the functions may, says in a moment that the look
                                -- was in this transaction.
                                IF currval({name of marks}) <> pg_current_xact_id()::text::bigint THEN
                                    log_mode := '-';
                                END IF;
                            ELSIF log_mode = 'f' THEN
                                log_mode := coalesce({log's mode}, '-');
                                IF log_mode = 'p' THEN
                                    IF to_regclass({name of marks}) IS NULL THEN
                                        log_mode := 'g';
                                    ELSE
                                        PERFORM setval(
                                            {name of marks}, pg_current_xact_id()::text::bigint);
                                    END IF;
                                END IF;
                                PERFORM set_config('devhive.cursor', mark || log_mode || log_cursor, true);
                            END IF;
                        END IF;
                    ELSE
                        log_mode := NULL;
                        log_cursor := NULL;
                    END IF;
                    IF log_mode IS NULL OR log_mode <> '-' AND is_patient THEN
                        log_mode := '-';
                        -- In a block of its own, once in a transaction: whoever listens hears of the
                        -- change even when it can't be recorded. The lock is the one that INSERT takes.
                        -- Held from here on, the table stays as it is then found, so that not every INSERT
                        -- needs a block, which would be a subtransaction with a number for each row.
                        IF to_regclass({name of events}) IS NOT NULL THEN
                            BEGIN
                                {lock log}
                                IF is_locked AND {log is ours} THEN
                                    log_mode := 'f';
                                END IF;
                            EXCEPTION WHEN OTHERS THEN
                                unrecorded := SQLERRM;
                            END;
                        END IF;
                        -- One for the whole transaction, or repeated payloads would differ in it. The
                        -- first is the lowest, and so as good as any.
                        log_cursor := coalesce(log_cursor, pg_snapshot_xmin(pg_current_snapshot())::text);
                        PERFORM set_config('devhive.cursor', mark || log_mode || log_cursor, true);
                    END IF;
                    IF log_mode = '-' THEN
                        log_cursor := NULL;
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
                        'origin', origin
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
            EXIT;
        EXCEPTION WHEN OTHERS THEN
            -- The notifications and settings of the block were taken back with it.
            recorded_projects := NULL;
            recorded_ids := NULL;
            recorded_actions := NULL;
            IF is_locking THEN
                is_locking := false;
                is_patient := true;
            ELSE
                failure := coalesce(failure, SQLERRM);
                attempt := attempt + 1;
            END IF;
        END;
        EXIT WHEN attempt > 2;
    END LOOP;

    -- Not even the project is known: all of them, once in a transaction.
    IF attempt > 2 THEN
        BEGIN
            announced := current_setting(setting, true);
            IF starts_with(announced, mark) IS NOT TRUE THEN
                announced := mark;
            END IF;
            IF strpos(announced, '!' || TG_OP || ';') > 0 THEN
                RETURN NULL;
            END IF;
            PERFORM set_config(setting, announced || '!' || TG_OP || ';', true);
            is_loss := {projects' owner} IS NULL;
            IF NOT is_loss THEN
                -- From here on it stays under its name, and as it is.
                LOCK TABLE ONLY {projects} IN ACCESS SHARE MODE;
                is_loss := {projects' owner} IS NULL;
            END IF;
            IF NOT is_loss THEN
                FOR project IN SELECT every.id FROM {projects} AS every LIMIT projects_max + 1 LOOP
                    IF cardinality(recorded_ids) = projects_max THEN
                        is_loss := true;
                        EXIT;
                    END IF;
                    PERFORM pg_notify('cache_invalidate', json_strip_nulls(json_build_object(
                        'resource', table_name,
                        'id', '*',
                        'action', TG_OP,
                        'project_id', project,
                        'timestamp',
                        to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                    ))::text);
                    recorded_projects := recorded_projects || project;
                    recorded_ids := recorded_ids || '*'::text;
                    recorded_actions := recorded_actions || TG_OP::text;
                END LOOP;
            END IF;
            log_mode := '-';
            BEGIN
                {lock log}
                IF is_locked THEN
                    log_mode := coalesce({log's mode}, '-');
                END IF;
            EXCEPTION WHEN OTHERS THEN
                unrecorded := SQLERRM;
            END;
            IF is_loss AND log_mode <> '-' THEN
                unrecorded := 'the projects are too many, or not for the triggers to read';
            ELSIF log_mode = 'p' THEN
                log_mode := 'g';
            END IF;
        EXCEPTION WHEN OTHERS THEN
            is_loss := true;
            recorded_ids := NULL;
            log_mode := '-';
            unrecorded := SQLERRM;
        END;
    END IF;

    -- The first of a transaction in a block: whatever can be wrong with a plain table is wrong from the
    -- first row on. Nobody asks for the log of a project whose id is no UUID.
    IF log_mode = 'p' AND recorded_ids IS NOT NULL THEN
        FOR position IN 1 .. cardinality(recorded_ids) LOOP
            -- What uuid takes without an error. A regular expression takes five times as long.
            CONTINUE WHEN '00000000-0000-0000-0000-000000000000' <> translate(
                lower(recorded_projects[position]), 'abcdef123456789', '000000000000000');
            IF recorded_ids[position] <> '*' THEN
                INSERT INTO {events} (project_id, resource, record_id, action) VALUES (
                    recorded_projects[position]::uuid, table_name, recorded_ids[position],
                    recorded_actions[position]);
            ELSE
                -- Only `*` can be there already (see `announced_characters_max`).
                INSERT INTO {events} (project_id, resource, record_id, action)
                VALUES (recorded_projects[position]::uuid, table_name, '*', recorded_actions[position])
                ON CONFLICT DO NOTHING;
            END IF;
        END LOOP;
    ELSIF log_mode <> '-' AND recorded_ids IS NOT NULL THEN
        BEGIN
            -- Most transactions have one row, for which the rest is a third slower.
            IF cardinality(recorded_ids) = 1 THEN
                IF '00000000-0000-0000-0000-000000000000' = translate(
                    lower(recorded_projects[1]), 'abcdef123456789', '000000000000000')
                THEN
                    INSERT INTO {events} (project_id, resource, record_id, action) VALUES (
                        recorded_projects[1]::uuid, table_name, recorded_ids[1], recorded_actions[1])
                    ON CONFLICT DO NOTHING;
                END IF;
            ELSE
                INSERT INTO {events} (project_id, resource, record_id, action)
                SELECT recorded.project::uuid, table_name, recorded.id, recorded.action
                FROM unnest(recorded_projects, recorded_ids, recorded_actions)
                    AS recorded (project, id, action)
                WHERE '00000000-0000-0000-0000-000000000000' = translate(
                    lower(recorded.project), 'abcdef123456789', '000000000000000')
                ON CONFLICT DO NOTHING;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            unrecorded := SQLERRM;
            PERFORM set_config('devhive.cursor', mark || 'g' || coalesce(log_cursor, ''), true);
        END;
    END IF;

    IF failure IS NOT NULL AND (recorded_ids IS NOT NULL OR is_loss) THEN
        RAISE WARNING 'a change of % could not be announced by its id: %', table_name, failure;
        BEGIN
            PERFORM nextval({name of failures});
        EXCEPTION WHEN OTHERS THEN
            -- The WARNING has said it.
        END;
    END IF;
    IF unrecorded IS NOT NULL THEN
        RAISE WARNING 'a change of % could not be recorded: %', table_name, unrecorded;
        {expire}
    END IF;
    IF is_loss OR unrecorded IS NOT NULL THEN
        BEGIN
            PERFORM nextval({name of losses});
        EXCEPTION WHEN OTHERS THEN
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
CREATE OR REPLACE FUNCTION {truncation function}
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    projects_max CONSTANT integer := 100000;

    table_name name := TG_TABLE_NAME;
    log_cursor text;
    project text;
    announced integer := 0;
    failure text;
    unrecorded text;
BEGIN
    BEGIN
        -- Once it is locked it stays under its name, and as it is: also while the lock on the log is waited for.
        -- That of somebody else isn't waited for. (migrate takes the locks in the same order.)
        IF {projects' owner} IS NOT NULL THEN
            LOCK TABLE ONLY {projects} IN ACCESS SHARE MODE;
        END IF;
        IF {projects' owner} IS NULL THEN
            RAISE EXCEPTION '% belongs to somebody else, is no table, or has row-level security that binds its owner',
                {name of projects};
        END IF;
        -- In a block of its own, as for rows. Ids that are text need not all be UUIDs; the gateway
        -- serves no others.
        BEGIN
            IF {log's mode} IS NOT NULL THEN
                LOCK TABLE {events} IN ROW EXCLUSIVE MODE;
                IF {log's mode} IS NOT NULL THEN
                    log_cursor := pg_snapshot_xmin(pg_current_snapshot());
                    INSERT INTO {events} (project_id, resource, record_id, action)
                    SELECT id::text::uuid, table_name, '*', 'DELETE' FROM {projects}
                    WHERE id::text ~* '{UUID}' LIMIT projects_max
                    ON CONFLICT DO NOTHING;
                END IF;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            unrecorded := SQLERRM;
        END;
        FOR project IN SELECT id FROM {projects} LOOP
            IF announced = projects_max THEN
                failure := 'there are more than ' || projects_max;
                unrecorded := failure;
                EXIT;
            END IF;
            PERFORM pg_notify('cache_invalidate', json_strip_nulls(json_build_object(
                'resource', table_name,
                'id', '*',
                'action', 'DELETE',
                'project_id', project,
                'timestamp',
                to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'cursor', log_cursor
            ))::text);
            announced := announced + 1;
        END LOOP;
    EXCEPTION WHEN OTHERS THEN
        failure := SQLERRM;
        unrecorded := failure;
        announced := 0;
    END;
    IF failure IS NOT NULL THEN
        RAISE WARNING 'TRUNCATE of % was announced to % projects only: %',
            table_name, announced, failure;
        BEGIN
            PERFORM nextval({name of failures});
        EXCEPTION WHEN OTHERS THEN
        END;
    END IF;
    IF unrecorded IS NOT NULL THEN
        RAISE WARNING 'TRUNCATE of % could not be recorded: %', table_name, unrecorded;
        {expire}
    END IF;
    IF failure IS NOT NULL OR unrecorded IS NOT NULL THEN
        BEGIN
            PERFORM nextval({name of losses});
        EXCEPTION WHEN OTHERS THEN
        END;
    END IF;
    RETURN NULL;
END
$$
    $create$, $create$
-- Notes that a foreign key, or another trigger, is about to change this table: from here to the end of
-- the transaction its changes have no origin. The row triggers can't tell by themselves: what a foreign
-- key changes fires them as if the writer's statement had.
CREATE OR REPLACE FUNCTION {cascade function}
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config(
        'devhive.cascaded_' || coalesce(pg_partition_root(TG_RELID)::oid, TG_RELID),
        {mark}, true);
    RETURN NULL;
END
$$
    $create$] LOOP
        -- Whoever resumes must not miss what the log lacks: with the horizon above this transaction,
        -- every cursor that could is too old. Above those that follow too, because one that finds the
        -- row locked by another doesn't wait for it.
        definition := replace(definition, '{expire}', $expire$BEGIN
            IF {horizon's owner} IS NOT NULL THEN
                LOCK TABLE ONLY {horizon} IN ROW EXCLUSIVE MODE;
            END IF;
            IF {horizon's owner} IS NOT NULL THEN
                UPDATE {horizon}
                SET xid = (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000)::text::xid8
                WHERE only_row IN (SELECT only_row FROM {horizon} FOR UPDATE SKIP LOCKED);
            END IF;
        EXCEPTION WHEN OTHERS THEN
        END;$expire$);
        -- It is waited for only where the table is ours.
        definition := replace(definition, '{lock log}', $lock$is_locked := true;
                                BEGIN
                                    LOCK TABLE ONLY {events} IN ROW EXCLUSIVE MODE NOWAIT;
                                EXCEPTION WHEN OTHERS THEN
                                    is_locked := {log's mode} IS NOT NULL;
                                    IF is_locked THEN
                                        LOCK TABLE ONLY {events} IN ROW EXCLUSIVE MODE;
                                    END IF;
                                END;$lock$);
        -- NULL where there is no log that may be used.
        definition := replace(definition, $name${log's mode}$name$, $mode$(
                            SELECT CASE
                                WHEN relkind = 'r' AND relnatts = 7 AND relchecks = 0
                                    AND NOT relrowsecurity
                                    -- On INSERT (pg_trigger.h): the log's own are on removals.
                                    AND NOT (relhastriggers AND EXISTS (
                                        SELECT FROM pg_trigger
                                        WHERE tgrelid = pg_class.oid AND tgtype & 4 <> 0))
                                    AND 3 = (SELECT count(*) FROM pg_index WHERE indrelid = pg_class.oid)
                                    THEN 'p'
                                ELSE 'g'
                            END
                            FROM pg_class
                            WHERE oid = to_regclass({name of events}) AND relkind IN ('r', 'p')
                                AND pg_get_userbyid(relowner) = current_user AND NOT relhasrules
                        )$mode$);
        -- Whether there is one, known to be there by its name, in two thirds of the time.
        definition := replace(definition, '{log is ours}', $ours$EXISTS (
                            SELECT FROM pg_class
                            WHERE oid = {name of events}::regclass AND relkind IN ('r', 'p')
                                AND pg_get_userbyid(relowner) = current_user AND NOT relhasrules
                        )$ours$);
        definition := replace(definition, $name${horizon's owner}$name$, $owner$(
                SELECT relowner FROM pg_class
                WHERE oid = to_regclass({name of horizon}) AND relkind = 'r'
                    AND pg_get_userbyid(relowner) = current_user AND NOT relhasrules
            )$owner$);
        -- The owner of the projects may be a role to which the functions' owner belongs. Row-level
        -- security that binds it too (FORCE) would leave out projects without a word.
        definition := replace(definition, $name${projects' owner}$name$, $owner$(
                SELECT relowner FROM pg_class
                WHERE oid = to_regclass({name of projects}) AND relkind IN ('r', 'p')
                    AND NOT row_security_active(oid)
                    AND (pg_get_userbyid(relowner) = current_user
                        OR pg_has_role(relowner, 'USAGE') AND NOT EXISTS (
                            SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper))
            )$owner$);
        -- The start in microseconds, as bytes: how a time or a number is written is the session's to set, and bytes are
        -- whole either way. It takes as long as to write the transaction's number, which can be told in advance.
        definition := replace(definition, '{mark}', 'timestamptz_send(now())::text');
        definition := replace(definition, '{row function}', row_function);
        definition := replace(definition, '{truncation function}', truncation_function);
        definition := replace(definition, '{cascade function}', cascade_function);
        definition := replace(definition, '{name of events}', quote_literal(events));
        definition := replace(definition, '{name of horizon}', quote_literal(horizon));
        definition := replace(definition, '{name of projects}', quote_literal(projects));
        definition := replace(definition, '{events}', events);
        definition := replace(definition, '{horizon}', horizon);
        definition := replace(definition, '{projects}', projects);
        definition := replace(definition, '{name of failures}',
            quote_literal(format('%I.cache_failures', place)));
        definition := replace(definition, '{name of losses}',
            quote_literal(format('%I.cache_losses', place)));
        definition := replace(definition, '{name of marks}',
            quote_literal(format('%I.cache_marks', place)));
        definition := replace(definition, '{UUID}', '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');
        EXECUTE definition;
    END LOOP;
    -- Nor behind the look: a function that is replaced, and a sequence that is there, keep their owner and what he
    -- has granted. What is ours now nobody else can take away.
    FOR found IN
        SELECT wanted.name, pg_get_userbyid(made.owner) AS owner
        FROM (
            SELECT unnest(our_functions) AS name, true AS is_function
            UNION ALL
            SELECT unnest(our_sequences), false
        ) AS wanted
        LEFT JOIN (
            SELECT proname, true AS is_function, proowner AS owner FROM pg_proc
            WHERE pronamespace = quote_ident(place)::regnamespace AND pronargs = 0
            UNION ALL
            SELECT relname, false, relowner FROM pg_class
            WHERE relnamespace = quote_ident(place)::regnamespace AND relkind = 'S'
        ) AS made (name, is_function, owner)
        ON made.name = wanted.name AND made.is_function = wanted.is_function
        LEFT JOIN pg_roles ON pg_roles.oid = made.owner
        WHERE (rolname IN (tables_owner, current_user) OR rolsuper) IS NOT TRUE
    LOOP
        RAISE EXCEPTION '% is there already and belongs to %', found.name, coalesce(found.owner, 'nobody')
            USING HINT = 'Find out who made it, then drop it or give it to the owner of projects.';
    END LOOP;
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s, %s, %s FROM PUBLIC',
        row_function, truncation_function, cascade_function);
    -- How many failures there were is for everybody to read.
    EXECUTE format('REVOKE ALL ON SEQUENCE %1$I.cache_failures, %1$I.cache_losses, %1$I.cache_marks'
        ' FROM PUBLIC', place);
    EXECUTE format('GRANT SELECT ON SEQUENCE %1$I.cache_failures, %1$I.cache_losses TO PUBLIC', place);

    -- A superuser's rights would be within reach of whoever owns the tables, by a rule, a policy or a
    -- type of theirs: the functions get their owner's.
    IF current_setting('is_superuser')::boolean THEN
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', row_function, tables_owner);
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', truncation_function, tables_owner);
        EXECUTE format('ALTER FUNCTION %s OWNER TO %I', cascade_function, tables_owner);
    END IF;
    SELECT pg_get_userbyid(proowner) INTO STRICT tables_owner
    FROM pg_proc WHERE oid = row_function::regprocedure;
    EXECUTE format('ALTER SEQUENCE %I.cache_failures OWNER TO %I', place, tables_owner);
    EXECUTE format('ALTER SEQUENCE %I.cache_losses OWNER TO %I', place, tables_owner);
    EXECUTE format('ALTER SEQUENCE %I.cache_marks OWNER TO %I', place, tables_owner);

    -- Triggers from before PUBLIC lost EXECUTE would go on with rights that their tables' owners lack.
    FOR found IN
        SELECT tgname AS name, tgrelid::regclass AS table_name, rolname AS owner
        FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        JOIN pg_roles ON pg_roles.oid = relowner
        WHERE tgfoid IN (row_function::regprocedure, truncation_function::regprocedure)
            AND tgparentid = 0 AND NOT has_function_privilege(relowner, tgfoid, 'EXECUTE')
            AND tgrelid NOT IN (projects_table, sprints_table, tasks_table, members_table)
    LOOP
        RAISE EXCEPTION 'the trigger % of % would run with rights that the owner of the table, %, has not',
            found.name, found.table_name, found.owner
            USING HINT = 'DROP TRIGGER, or GRANT EXECUTE ON FUNCTION notify_cache_invalidation(),'
                ' notify_cache_truncation() TO that role if it may act as the functions'' owner.';
    END LOOP;

    -- A trigger of ours is a word of trust in the owner of its table: the functions read his columns, by his types,
    -- with their own owner's rights. So nobody gets them by a table that was made, or put there, before this migration.
    -- Whose it is is looked at when the triggers have locked it.
    announcing := ARRAY(SELECT tgrelid FROM pg_trigger WHERE tgfoid = row_function::regprocedure);
    FOREACH trigger_name IN ARRAY ARRAY['projects', 'sprints', 'tasks', 'project_members'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s'
            ' FOR EACH ROW EXECUTE FUNCTION %s', trigger_name || '_cache_invalidate',
            CASE trigger_name WHEN 'projects' THEN projects_table WHEN 'sprints' THEN sprints_table
                WHEN 'tasks' THEN tasks_table ELSE members_table END, row_function);
    END LOOP;
    FOR found IN
        SELECT tgrelid::regclass AS table_name, rolname AS owner
        FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        JOIN pg_roles ON pg_roles.oid = relowner
        WHERE tgfoid = row_function::regprocedure AND tgparentid = 0
            AND tgrelid <> ALL (announcing) AND NOT rolsuper AND rolname <> current_user
            AND relowner <> (SELECT relowner FROM pg_class WHERE oid = projects_table)
            AND NOT has_function_privilege(relowner, tgfoid, 'EXECUTE')
    LOOP
        RAISE EXCEPTION '% belongs to %, and projects to %: the triggers would run with rights that the owner has not',
            found.table_name, found.owner,
            (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = projects_table)
            USING HINT = 'Find out who made it, then drop it, give it to the owner of projects,'
                ' or make its owner a member of that role.';
    END LOOP;
    FOREACH trigger_name IN ARRAY ARRAY['projects', 'sprints', 'tasks', 'project_members'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE TRUNCATE ON %s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION %s', trigger_name || '_cache_invalidate_truncate',
            CASE trigger_name WHEN 'projects' THEN projects_table WHEN 'sprints' THEN sprints_table
                WHEN 'tasks' THEN tasks_table ELSE members_table END, truncation_function);
        -- It costs a direct change nothing but a look at the condition.
        EXECUTE format('CREATE OR REPLACE TRIGGER %I BEFORE INSERT OR UPDATE OR DELETE ON %s'
            ' FOR EACH STATEMENT WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION %s',
            trigger_name || '_cache_invalidate_cascade',
            CASE trigger_name WHEN 'projects' THEN projects_table WHEN 'sprints' THEN sprints_table
                WHEN 'tasks' THEN tasks_table ELSE members_table END, cascade_function);
    END LOOP;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$migration$;
