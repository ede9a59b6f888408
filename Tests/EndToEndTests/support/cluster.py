"""A private PostgreSQL: a fresh directory, a Unix socket and a free loopback port, nothing durable unless asked for."""

import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile

import psycopg2

from .ports import free_port
from .waiting import wait_until

MIGRATIONS = os.path.join(os.path.dirname(__file__), "..", "..", "..", "Migrations")
TEMPLATE = "devhive_template"
NOTHING_DURABLE = "fsync = off\nfull_page_writes = off\n"


def migration_files():
    return sorted(glob.glob(os.path.join(MIGRATIONS, "*.sql")))


def _binaries():
    """The folder of initdb: Debian keeps the servers out of PATH, one folder for each version."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if found:
        return os.path.dirname(max(found, key=lambda path: int(re.findall(r"\d+", path)[0])))
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("PostgreSQL's server isn't installed: apt-get install postgresql")
    return os.path.dirname(found)


def _is_alive(pid):
    """Those that nobody has waited for yet are not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Cluster:
    def __init__(self, durable=False):
        """`durable`: as operators run it. It outlives the death of its processes then, and of the machine."""
        # Not under the checkout: the user postgres may not be allowed to reach that, and the path of
        # a Unix socket has at most 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="devhive-e2e-", dir="/tmp")
        self.port = free_port()
        # PostgreSQL refuses to run as root.
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self._data = os.path.join(self.folder, "data")
        self._log = os.path.join(self.folder, "server.log")
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        with open(os.path.join(self._data, "postgresql.conf"), "a", encoding="utf-8") as settings:
            settings.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                f"unix_socket_directories = '{self.folder}'\n"
                f"{'' if durable else NOTHING_DURABLE}shared_buffers = 64MB\nautovacuum = off\n"
                "max_prepared_transactions = 10\n"
            )
        self.start()

    def _run(self, program, *arguments):
        # Its output goes to a file: the server would inherit a pipe, and nobody would see its end.
        with open(os.path.join(self.folder, "commands.log"), "a+", encoding="utf-8") as log:
            done = subprocess.run(
                [*self._as_user, os.path.join(_binaries(), program), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", check=False,
            )
            if done.returncode != 0:
                log.seek(0)
                raise RuntimeError(f"{program} failed with {done.returncode}:\n{log.read()}{self._server_log()}")

    def _server_log(self):
        with contextlib.suppress(FileNotFoundError), open(self._log, encoding="utf-8") as log:
            return "".join(log.readlines()[-20:])
        return ""

    def start(self):
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self._log, "start")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def restart(self):
        self.stop()
        self.start()

    def processes(self):
        """The server's process and its children."""
        with open(os.path.join(self._data, "postmaster.pid"), encoding="utf-8") as file:
            server = file.readline().strip()
        with open(f"/proc/{server}/task/{server}/children", encoding="utf-8") as file:
            return [int(pid) for pid in [server, *file.read().split()]]

    def sessions(self):
        """Processes of clients' sessions, by the command lines that they give themselves."""
        found = []
        for pid in self.processes()[1:]:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                if "127.0.0.1" in file.read():
                    found.append(pid)
        return found

    def kill(self):
        """SIGKILL, for all of it at once; returns when it is gone."""
        with open(os.path.join(self._data, "postmaster.pid"), encoding="utf-8") as file:
            server = int(file.readline())
        os.kill(server, signal.SIGSTOP)  # It makes no more children.
        processes = self.processes()
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(_is_alive, processes)), "PostgreSQL's processes are gone")
        # While nobody has waited for the server's process, its number in these is taken for a server that runs.
        for path in [os.path.join(self._data, "postmaster.pid"), *glob.glob(os.path.join(self.folder, ".s.PGSQL.*"))]:
            os.remove(path)

    def pause(self):
        """Everything of it stands still, and the kernel goes on to answer for it."""
        self._paused = self.processes()
        for pid in self._paused:
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        for pid in self._paused:
            os.kill(pid, signal.SIGCONT)

    def remove(self):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def connect(self, database):
        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True
        return connection

    @contextlib.contextmanager
    def _maintenance(self):
        connection = self.connect("postgres")
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def create_database(self, name, template="template0", encoding="UTF8"):
        with self._maintenance() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" ENCODING {encoding}')

    def drop_database(self, name):
        with self._maintenance() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def apply_migrations(self, database):
        """By plain psql, each file in one transaction, as the gateway's `migrate` does."""
        for path in migration_files():
            subprocess.run(
                ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-d", self.url(database), "-f", path],
                check=True, stdin=subprocess.DEVNULL, env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"},
            )
