"""Makes the load generator's clients members of its projects, for servers that ask the database."""

import os
import subprocess

# The crowd's processes and the probe's.
PROCESSES = 3

# A client's user is numbered by its process' source address, 127.0.1.1 onwards, and by its place in the
# process (Receiver+Connections.swift). Without triggers: nobody is told, and no user has to exist.
STATEMENT = """
    SET session_replication_role = replica;
    INSERT INTO project_members (project_id, user_id)
    SELECT format('be7c4000-0000-4000-8000-%s', lpad(to_hex(project), 12, '0'))::uuid,
        format('be7c4000-0000-4000-9000-%s', lpad(to_hex((257 + process)::bigint << 24 | client), 12, '0'))::uuid
    FROM generate_series(0, :processes - 1) AS process
        CROSS JOIN generate_series(0, :clients - 1) AS client
        CROSS JOIN generate_series(0, :projects) AS project
    ON CONFLICT DO NOTHING;
    ANALYZE project_members;
"""


def add_members(scenario):
    """Every client of every project, the probe's among them, which comes behind those of the crowd."""
    values = {
        "processes": PROCESSES,
        "clients": min(scenario.options.get("clients", 1) + 100, 15_100),
        "projects": scenario.options.get("projects", 1),
    }
    words = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
    subprocess.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *words, "-d", os.environ["DATABASE_URL"]],
        input=STATEMENT, text=True, check=True, timeout=300,
    )  # fmt: skip
