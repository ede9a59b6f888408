-- The tables that the cache invalidation triggers stand on.
--
-- A product that has them already keeps its own: a table that exists is not touched, nor given an
-- index. Applying this twice is harmless. Needs PostgreSQL 14 or newer.

CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The indexes are for the cascades, which look children up by these columns.
DO $$
BEGIN
    IF to_regclass('sprints') IS NULL THEN
        CREATE TABLE sprints (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
            name text NOT NULL,
            starts_on date,
            ends_on date,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX sprints_project_id ON sprints (project_id);
    END IF;
END
$$;

DO $$
BEGIN
    IF to_regclass('tasks') IS NULL THEN
        CREATE TABLE tasks (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
            sprint_id uuid REFERENCES sprints (id) ON DELETE SET NULL,
            title text NOT NULL,
            status integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX tasks_project_id ON tasks (project_id);
        CREATE INDEX tasks_sprint_id ON tasks (sprint_id);
    END IF;
END
$$;

DO $$
BEGIN
    IF to_regclass('project_members') IS NULL THEN
        CREATE TABLE project_members (
            project_id uuid NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
            user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            role text NOT NULL DEFAULT 'member',
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (project_id, user_id)
        );
        CREATE INDEX project_members_user_id ON project_members (user_id);
    END IF;
END
$$;
