-- The tables that the cache invalidation triggers stand on.
--
-- A product that has them already keeps its own: a table that exists is not touched, nor given an
-- index. Applying this twice is harmless. Needs PostgreSQL 14 or newer.

-- Somebody else's operators and functions would be run by this migration, with the rights of whoever applies
-- it, where their types fit better than those of PostgreSQL's own. Where there is any such thing on the
-- search_path, this is not the place to migrate in.
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

-- Members end with their users: whoever could make that table before would say which.
DO $$
DECLARE
    given_path CONSTANT pg_catalog.text := pg_catalog.current_setting('search_path');
    users CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('users');
    projects CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('projects');
    members CONSTANT pg_catalog.regclass := pg_catalog.to_regclass('project_members');
    users_owner pg_catalog.name;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF members IS NULL THEN
        SELECT rolname INTO users_owner FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
        WHERE pg_class.oid = users AND rolname <> current_user AND NOT rolsuper
            AND NOT EXISTS (SELECT FROM pg_class AS other WHERE other.oid = projects AND other.relowner = pg_roles.oid)
            AND (pg_has_role(pg_roles.oid, 'MEMBER')
                AND NOT (SELECT rolsuper FROM pg_roles AS own WHERE own.rolname = current_user)) IS NOT TRUE;
        IF users_owner IS NOT NULL THEN
            RAISE EXCEPTION 'users is there already and belongs to %', users_owner
                USING HINT = 'Find out who made it; then drop it, or make project_members first.';
        END IF;
    END IF;
    PERFORM pg_catalog.set_config('search_path', given_path, true);
END
$$;

CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE IF NOT EXISTS projects (
    id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

-- The indexes are for the cascades, which look children up by these columns.
DO $$
BEGIN
    IF pg_catalog.to_regclass('sprints') IS NULL THEN
        CREATE TABLE sprints (
            id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
            project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
            name text NOT NULL,
            starts_on date,
            ends_on date,
            created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
            updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
        );
        CREATE INDEX sprints_project_id ON sprints (project_id);
    END IF;
END
$$;

DO $$
BEGIN
    IF pg_catalog.to_regclass('tasks') IS NULL THEN
        CREATE TABLE tasks (
            id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
            project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
            sprint_id uuid REFERENCES sprints (id) ON DELETE SET NULL,
            title text NOT NULL,
            status integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
            updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
        );
        CREATE INDEX tasks_project_id ON tasks (project_id);
        CREATE INDEX tasks_sprint_id ON tasks (sprint_id);
    END IF;
END
$$;

DO $$
BEGIN
    IF pg_catalog.to_regclass('project_members') IS NULL THEN
        CREATE TABLE project_members (
            project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
            user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            role text NOT NULL DEFAULT 'member',
            created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
            PRIMARY KEY (project_id, user_id)
        );
        CREATE INDEX project_members_user_id ON project_members (user_id);
    END IF;
END
$$;
