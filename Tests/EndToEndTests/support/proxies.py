"""Proxies that run with the configurations of docs/deployment.md, of which only places and sizes are replaced."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from .gateway import REPOSITORY
from .ports import free_port
from .waiting import wait_until

DOCUMENT = os.path.join(REPOSITORY, "docs", "deployment.md")
# Where scripts/lib/proxies.sh unpacks them.
FETCHED = os.path.abspath(os.path.join(REPOSITORY, ".state", "proxies"))
FOLDERS = [os.path.join(FETCHED, "usr", kind) for kind in ("sbin", "bin")]
# Where the document has its two gateways, and where a test has them.
FIRST, SECOND = "127.0.0.11", "127.0.0.12"


def program(name):
    return shutil.which(name, path=os.pathsep.join([*FOLDERS, os.environ.get("PATH", ""), "/usr/sbin"]))


def documented(heading, number=0):
    """The configuration that stands in the document under this heading, and the text around it."""
    with open(DOCUMENT, encoding="utf-8") as file:
        section = re.split(r"^##+ ", file.read().split(f"\n### {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```\w+\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)[number], section


def replaced(text, replacements):
    """Each has to be there: a text that has changed is noticed."""
    for old, new in replacements.items():
        assert old in text, f"{old!r} isn't in the document any more"
        text = text.replace(old, str(new))
    return text


class Proxy:
    """Subclasses write their configuration, name their command, and say in which files they log."""

    program = ""
    heading = ""
    number = 0
    gateway_options = ("--trusted-proxies", "127.0.0.1")

    def __init__(self, folder, certificate, port, admin_port):
        self.folder = str(folder)
        self.certificate = certificate
        self.address = ("127.0.0.1", free_port())
        self.gateways = {"10.0.0.11:8080": f"{FIRST}:{port}", "10.0.0.12:8080": f"{SECOND}:{port}"}
        self.admin_port = admin_port
        self.access_log, self.error_log = self.path("access.log"), self.path("error.log")
        # The unprivileged user that a server becomes has to reach its files.
        os.chmod(self.folder, 0o755)
        text, self.section = documented(self.heading, self.number)
        self.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, text):
        raise NotImplementedError

    def save(self, text, name="configuration"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def environment(self):
        return {}

    @contextlib.contextmanager
    def running(self):
        libraries = os.path.join(FETCHED, "usr/lib", os.uname().machine + "-linux-gnu")
        with open(self.path("output"), "w", encoding="utf-8") as output:
            process = subprocess.Popen(
                self.command(program(self.program)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": self.folder, "LD_LIBRARY_PATH": libraries, **self.environment()})
        try:
            wait_until(lambda: process.poll() is not None or self.accepts(), f"{self.program} accepts connections")
            assert process.poll() is None, self.logged("output") + self.logged("error.log")
            yield self
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def accepts(self):
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0

    def logged(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def access(self):
        return self.logged("access.log")

    def everything(self):
        return "".join(self.logged(name) for name in ("access.log", "error.log", "output"))


class Nginx(Proxy):
    program = "nginx"
    heading = "nginx"
    keeps_errors_out = False

    def write(self, text):
        host, port = self.address
        places = "".join(
            f"    {kind}_temp_path {self.path(kind)};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = replaced(text, {
            **self.gateways, "listen 443": f"listen {host}:{port}", "/var/log/nginx/devhive.log": self.access_log,
            "/etc/nginx/tls/app.pem": self.certificate.certificate, "/etc/nginx/tls/app.key": self.certificate.key,
            "worker_rlimit_nofile 400000": "worker_rlimit_nofile 1000", "worker_connections 200000": "worker_connections 300",
            "http {\n": "http {\n" + places})
        if self.keeps_errors_out:
            line = re.search(r"`(error_log [^`]* emerg;)` in the `location`", self.section)[1]
            text = replaced(text, {"            proxy_pass ": f"            {line}\n            proxy_pass "})
            text = replaced(text, {"/var/log/nginx/error.log": self.error_log})
        self.save(text)

    def command(self, binary):
        return [
            binary, "-p", self.folder, "-c", self.path("configuration"), "-e", self.error_log, "-g",
            f"daemon off; pid {self.path('pid')};"]


class NginxThatKeepsErrorsOut(Nginx):
    keeps_errors_out = True


class HAProxy(Proxy):
    program = "haproxy"
    heading = "HAProxy"

    def write(self, text):
        host, port = self.address
        certificate = Path(self.certificate.certificate).read_text(encoding="ascii")
        self.save(certificate + Path(self.certificate.key).read_text(encoding="ascii"), "app.pem")
        self.save(replaced(text, {
            **self.gateways, "maxconn 200000": "maxconn 200", "/dev/log": self.path("log"), "bind :443": f"bind {host}:{port}",
            "/etc/haproxy/app.pem": self.path("app.pem"), "check port 8081": f"check port {self.admin_port}"}))

    def command(self, binary):
        return [binary, "-db", "-f", self.path("configuration")]

    @contextlib.contextmanager
    def running(self):
        """With a syslog of its own."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver, open(self.access_log, "w", encoding="utf-8") as log:
            receiver.bind(self.path("log"))

            def receive():
                with contextlib.suppress(OSError):
                    while data := receiver.recv(65_536):
                        print(data.decode("utf-8", "replace"), file=log, flush=True)

            thread = threading.Thread(target=receive, daemon=True)
            thread.start()
            try:
                with super().running():
                    yield self
            finally:
                receiver.shutdown(socket.SHUT_RDWR)
                thread.join(10)


class HAProxyOfStreams(HAProxy):
    """In `mode tcp`."""

    number = 1
    gateway_options = ("--trusted-proxies", "127.0.0.1", "--proxy-protocol", "on")


class Apache(Proxy):
    program = "apache2"
    heading = "Apache"

    def write(self, text):
        host, port = self.address
        site = replaced(text, {
            **self.gateways, "Listen 443": f"Listen {host}:{port}", "*:443": f"{host}:{port}",
            "/var/log/apache2/devhive.log": self.access_log, "/etc/apache2/tls/app.pem": self.certificate.certificate,
            "/etc/apache2/tls/app.key": self.certificate.key})
        # What Debian has in apache2.conf, and `a2enmod`'s modules with what they depend on.
        named = re.search(r"`a2enmod ([^`]*)`", self.section)[1].split()
        modules = os.path.join(os.path.dirname(program("apache2") or ""), "..", "lib", "apache2", "modules")
        loaded = "".join(
            f"LoadModule {name}_module {os.path.realpath(modules)}/mod_{name}.so\n"
            for name in ["mpm_event", "authz_core", "socache_shmcb", *named])
        user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        self.save(
            f"ServerRoot {self.folder}\nServerName localhost\nDefaultRuntimeDir {self.folder}\nPidFile {self.path('pid')}\n"
            f"ErrorLog {self.error_log}\nLogLevel warn\nMutex file:{self.folder} default\n{loaded}{user}{site}")

    def command(self, binary):
        return [binary, "-D", "FOREGROUND", "-f", self.path("configuration")]


class Caddy(Proxy):
    program = "caddy"
    heading = "Caddy"

    def write(self, text):
        self.save(replaced(text, {
            **self.gateways, "app.example.org {": f"https://localhost:{self.address[1]} {{",
            "health_port 8081": f"health_port {self.admin_port}",
            "/etc/caddy/app.pem": self.certificate.certificate, "/etc/caddy/app.key": self.certificate.key,
            "/var/log/caddy/devhive.log": self.access_log,
            "{\n    # For requests": f"{{\n    http_port {free_port()}\n    admin unix/{self.path('admin')}\n    # For requests"}))

    def command(self, binary):
        return [binary, "run", "--adapter", "caddyfile", "--config", self.path("configuration")]


ALL = (Nginx, HAProxy, HAProxyOfStreams, Apache, Caddy)
