"""One database of the private cluster, with the migrations applied, and what a writer does in it."""

import contextlib
import select
import time
import uuid

CHANNEL = "cache_invalidate"
SENTINEL = "test_sentinel"
DEADLINE_SECONDS = 20


class Database:
    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.url = cluster.url(name)
        self._connection = None

    def connect(self):
        return self.cluster.connect(self.name)

    @property
    def connection(self):
        if self._connection is None or self._connection.closed:
            self._connection = self.connect()
        return self._connection

    def close(self):
        if self._connection is not None:
            self._connection.close()

    def execute(self, statement, *values):
        """Runs one statement and commits it; returns the rows, if it has any."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else None

    @contextlib.contextmanager
    def transaction(self):
        """A cursor whose statements are one transaction."""
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    @contextlib.contextmanager
    def silence(self):
        """What is written meanwhile fires no trigger: for rows that a test finds there at its beginning.

        Otherwise their announcements might still be under way when its clients connect.
        """
        self.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            self.execute("RESET session_replication_role")

    def notify(self, payload):
        self.execute("SELECT pg_notify(%s, %s)", CHANNEL, payload)

    def terminate_listener(self):
        """Ends the backend that LISTENs, as an administrator would."""
        return self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN %%' AND pid <> pg_backend_pid()")

    def terminate_questions(self):
        """Ends the gateway's other backends. It looks at the catalogue with the next one, and misses nothing."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query NOT LIKE 'LISTEN %%' AND pid <> pg_backend_pid()")

    def drop_event_log(self):
        """Before a gateway looks for it: whoever was away is told to fetch all."""
        self.execute("DROP TABLE cache_events, cache_events_horizon")

    # Rows with defaults for all that a test doesn't care about. Each returns the new row's id.

    def add_user(self):
        user = str(uuid.uuid4())
        self.execute("INSERT INTO users (id, email, name) VALUES (%s, %s, 'user')", user, f"{user}@example.org")
        return user

    def add_project(self, user=None):
        """In silence, with this user as a member."""
        project = str(uuid.uuid4())
        with self.silence():
            self.execute("INSERT INTO projects (id, name) VALUES (%s, 'project')", project)
            if user is not None:
                self.add_member(project, user)
        return project

    def add_member(self, project, user):
        self.execute("INSERT INTO project_members (project_id, user_id) VALUES (%s, %s)", project, user)
        return f"{project}:{user}"

    def add_sprint(self, project):
        return self.execute(
            "INSERT INTO sprints (project_id, name) VALUES (%s, 'sprint') RETURNING id::text", project)[0][0]

    def add_task(self, project, title="task"):
        return self.execute(
            "INSERT INTO tasks (project_id, title) VALUES (%s, %s) RETURNING id::text", project, title)[0][0]

    def add_tasks(self, project, count):
        self.execute(
            "INSERT INTO tasks (project_id, title) SELECT %s, 'task ' || n FROM generate_series(1, %s) n", project, count)


class Listener:
    """LISTENs as the gateway does, and returns everything that was announced up to now."""

    def __init__(self, database):
        self._connection = database.connect()
        self._other = database.connect()
        with self._connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}; LISTEN {SENTINEL}")

    def close(self):
        self._connection.close()
        self._other.close()

    def take(self):
        """The payloads since the last call. A notification of our own marks the end: they come in order of commit."""
        with self._other.cursor() as cursor:
            cursor.execute(f"NOTIFY {SENTINEL}")
        deadline = time.monotonic() + DEADLINE_SECONDS
        taken = []
        while True:
            self._connection.poll()
            while self._connection.notifies:
                notification = self._connection.notifies.pop(0)
                if notification.channel == SENTINEL:
                    return taken
                taken.append(notification.payload)
            remaining = deadline - time.monotonic()
            assert remaining > 0, "the sentinel notification never came"
            select.select([self._connection], [], [], remaining)
