"""Ways in which a trigger of ours, or a table with one, is out of force for a while: (before the gateway, one that is
out, and in force again), and the table that doesn't announce meanwhile."""

import pytest

PARTITIONED = """
    CREATE TABLE docs (id uuid, project_id uuid, kind text) PARTITION BY LIST (kind);
    CREATE TABLE docs_a PARTITION OF docs FOR VALUES IN ('a') PARTITION BY LIST (kind);
    CREATE TABLE docs_aa PARTITION OF docs_a FOR VALUES IN ('a');
    CREATE TRIGGER docs_changes AFTER INSERT OR UPDATE OR DELETE ON docs
        FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation();
    CREATE TABLE docs_b PARTITION OF docs FOR VALUES IN ('b')"""

PARTITION_ALONE = """
    CREATE TABLE sheets (id uuid, project_id uuid, kind text) PARTITION BY LIST (kind);
    CREATE TABLE sheets_a PARTITION OF sheets FOR VALUES IN ('a') PARTITION BY LIST (kind);
    CREATE TABLE sheets_aa PARTITION OF sheets_a FOR VALUES IN ('a');
    CREATE TRIGGER changes AFTER INSERT OR UPDATE OR DELETE ON sheets_aa
        FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()"""

NAMESAKE = """
    CREATE SCHEMA other; CREATE TABLE other.tasks (LIKE tasks);
    CREATE TRIGGER changes AFTER INSERT OR UPDATE OR DELETE ON other.tasks
        FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()"""

# notes_001 and so on, each with the trigger.
MANY_TABLES = """
    DO $$ BEGIN FOR number IN 1..{count} LOOP
        EXECUTE format('CREATE TABLE notes_%1$s (id uuid, project_id uuid); CREATE TRIGGER changes AFTER INSERT OR UPDATE'
            ' OR DELETE ON notes_%1$s FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()', lpad(number::text, 3, '0'));
    END LOOP; END $$"""

SILENCES = [
    pytest.param("", "ALTER TABLE tasks DISABLE TRIGGER USER", "ALTER TABLE tasks ENABLE TRIGGER USER", "tasks", id="all"),
    pytest.param("", "DROP TRIGGER tasks_cache_invalidate ON tasks",
                 "CREATE TRIGGER tasks_cache_invalidate AFTER INSERT OR UPDATE OR DELETE ON tasks"
                 " FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation()", "tasks", id="dropped"),
    pytest.param("", "ALTER TABLE tasks DISABLE TRIGGER tasks_cache_invalidate_truncate; TRUNCATE tasks",
                 "ALTER TABLE tasks ENABLE TRIGGER tasks_cache_invalidate_truncate", "tasks", id="truncation"),
    pytest.param("", "ALTER TABLE tasks DISABLE TRIGGER tasks_cache_invalidate_cascade",
                 "ALTER TABLE tasks ENABLE TRIGGER tasks_cache_invalidate_cascade", "tasks", id="cascade"),
    *(pytest.param(PARTITIONED, f"ALTER TABLE {name} DISABLE TRIGGER {triggers}",
                   f"ALTER TABLE {name} ENABLE TRIGGER {triggers}", "docs", id=f"{name}-{triggers}")
      for name, triggers in [("docs_b", "ALL"), ("docs_b", "docs_changes"), ("docs_a", "USER"), ("docs_aa", "ALL")]),
    # It announces as the partitioned table, which has none.
    pytest.param(PARTITION_ALONE, "ALTER TABLE sheets_aa DISABLE TRIGGER USER", "ALTER TABLE sheets_aa ENABLE TRIGGER USER",
                 "sheets", id="partition-alone"),
    pytest.param(NAMESAKE, "ALTER TABLE other.tasks DISABLE TRIGGER USER", "ALTER TABLE other.tasks ENABLE TRIGGER USER",
                 "tasks", id="namesake"),
    pytest.param("CREATE TABLE next_tasks (LIKE tasks INCLUDING ALL);"
                 "CREATE TRIGGER changes AFTER INSERT OR UPDATE OR DELETE ON next_tasks"
                 " FOR EACH ROW EXECUTE FUNCTION notify_cache_invalidation();"
                 "CREATE TRIGGER truncations BEFORE TRUNCATE ON next_tasks"
                 " FOR EACH STATEMENT EXECUTE FUNCTION notify_cache_truncation()",
                 "ALTER TABLE tasks RENAME TO former_tasks", "ALTER TABLE next_tasks RENAME TO tasks", "tasks", id="renamed"),
]
