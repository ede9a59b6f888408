-- The tables that the cache invalidation triggers stand on.
--
-- A product that has them already keeps its own: a table that exists is not touched, nor given an
-- index. Applying this twice is harmless. Needs PostgreSQL 14 or newer.
--
-- With psql: psql -v ON_ERROR_STOP=1 --single-transaction -f 001_create_tables.sql

-- Somebody else's operators and functions would be run by this migration, with the rights of whoever applies
-- it, where their types fit better than those of PostgreSQL's own; and in place of our functions by whoever calls
-- those. So the names are looked up on the search_path first, without an operator, and all the rest is read with
-- pg_catalog alone; and where there is any such thing on the path, this is not the place to migrate in.
--
-- All is one statement: what is refused leaves nothing of this file behind, also where psql goes on.
--
-- Members end with their users, and all else with its project: whoever could make one of those before would say which
-- stay. A look at whose they are holds for as long as a lock does: so the tables are made, locked and looked at before
-- another refers to them.
DO $migration$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    schemas CONSTANT pg_catalog.name[] := pg_catalog.current_schemas(false);
    -- In this one everything is made.
    place CONSTANT pg_catalog.name := pg_catalog.current_schema();
    projects CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('projects');
    sprints CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('sprints');
    tasks CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('tasks');
    members CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('project_members');
    -- The first of the tables $1 (names with their schemas) that others will refer to, and that isn't to be trusted with
    -- it. $2 is the name of projects, $3 whether it was there before; $4 whether all have to be there.
    look CONSTANT pg_catalog.text := $look$
        SELECT wanted.name, pg_get_userbyid(made.relowner) AS owner
        FROM unnest($1) AS wanted (name)
        LEFT JOIN pg_class AS made ON made.oid = to_regclass(wanted.name)
        LEFT JOIN pg_roles ON pg_roles.oid = made.relowner
        CROSS JOIN pg_roles AS own
        WHERE own.rolname = current_user AND ($4 OR made.oid IS NOT NULL)
            AND (pg_roles.rolname = current_user OR pg_roles.rolsuper
                OR NOT own.rolsuper AND pg_has_role(pg_roles.oid, 'MEMBER')
                -- A superuser goes by whose projects are.
                OR $3 AND (wanted.name <> $2 OR own.rolsuper) AND made.relowner = (
                    SELECT relowner FROM pg_class AS other WHERE other.oid = to_regclass($2))) IS NOT TRUE
        LIMIT 1$look$;
    users_name pg_catalog.text;
    projects_name pg_catalog.text;
    sprints_name pg_catalog.text;
    needed pg_catalog.text[];
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
    users_name := format('%I.users', place);
    projects_name := format('%I.projects', place);
    sprints_name := coalesce((
        SELECT format('%I.%I', nspname, relname)
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = sprints
    ), format('%I.sprints', place));

    needed := CASE WHEN members IS NULL THEN ARRAY[projects_name, users_name]
        WHEN sprints IS NULL OR tasks IS NULL THEN ARRAY[projects_name] ELSE '{}' END;
    IF tasks IS NULL AND sprints IS NOT NULL THEN
        needed := needed || sprints_name;
    END IF;
    -- Before any lock of somebody else's is waited for.
    EXECUTE look INTO found USING needed, projects_name, projects IS NOT NULL, false;
    IF found.name IS NOT NULL THEN
        RAISE EXCEPTION '% is there already and belongs to %', found.name, found.owner
            USING HINT = 'Find out who made it; then drop it, or give it to the owner of projects.';
    END IF;

    EXECUTE format($create$
CREATE TABLE IF NOT EXISTS %s (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
)
    $create$, users_name);
    EXECUTE format($create$
CREATE TABLE IF NOT EXISTS %s (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
)
    $create$, projects_name);

    FOR pass IN 1 .. 2 LOOP
        EXECUTE look INTO found USING needed, projects_name, projects IS NOT NULL, true;
        IF found.name IS NOT NULL THEN
            RAISE EXCEPTION '% is there already and belongs to %', found.name, coalesce(found.owner, 'nobody')
                USING HINT = 'Find out who made it; then drop it, or give it to the owner of projects.';
        END IF;
        -- While they are locked nobody gives them other names or owners.
        IF pass = 1 AND cardinality(needed) > 0 THEN
            EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', array_to_string(needed, ', ONLY '));
        END IF;
    END LOOP;

    -- What came under their names meanwhile is an error. The indexes are for the cascades, which look children up by
    -- these columns.
    IF sprints IS NULL THEN
        EXECUTE format($create$
CREATE TABLE %1$I.sprints (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    project_id uuid NOT NULL REFERENCES %2$s (id) ON DELETE CASCADE,
    name text NOT NULL,
    starts_on date,
    ends_on date,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
)
        $create$, place, projects_name);
        EXECUTE format('CREATE INDEX sprints_project_id ON %I.sprints (project_id)', place);
    END IF;
    IF tasks IS NULL THEN
        EXECUTE format($create$
CREATE TABLE %1$I.tasks (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    project_id uuid NOT NULL REFERENCES %2$s (id) ON DELETE CASCADE,
    sprint_id uuid REFERENCES %3$s (id) ON DELETE SET NULL,
    title text NOT NULL,
    status integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
)
        $create$, place, projects_name, sprints_name);
        EXECUTE format('CREATE INDEX tasks_project_id ON %I.tasks (project_id)', place);
        EXECUTE format('CREATE INDEX tasks_sprint_id ON %I.tasks (sprint_id)', place);
    END IF;
    IF members IS NULL THEN
        EXECUTE format($create$
CREATE TABLE %1$I.project_members (
    project_id uuid NOT NULL REFERENCES %2$s (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES %3$s (id) ON DELETE CASCADE,
    role text NOT NULL DEFAULT 'member',
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (project_id, user_id)
)
        $create$, place, projects_name, users_name);
        EXECUTE format('CREATE INDEX project_members_user_id ON %I.project_members (user_id)', place);
    END IF;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$migration$;
