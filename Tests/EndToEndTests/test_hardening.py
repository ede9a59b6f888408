"""What must not be found anywhere: tokens and secrets in logs, answers, figures, command lines, dumps."""

import json
import os
import shutil
import subprocess
import tempfile
import uuid

import pytest

from support import tokens
from support.gateway import BINARY, PATH
from support.raw import TEXT, RawSocket, handshake

NOBODY = 65534


def parts_of(token):
    """The token and the parts of it that say something: payload and signature. The header is everybody's."""
    return [token, *token.split(".")[1:]]


def test_no_token_and_no_secret_stands_in_a_log_an_answer_or_a_figure(start_gateway):
    gateway = start_gateway("--log-level", "trace")
    made, answers = [], []

    def token(**options):
        made.append(tokens.token(str(uuid.uuid4()), **options))
        return made[-1]

    def ask(target, **headers):
        with RawSocket(gateway.address) as raw:
            raw.send(handshake(target, **headers))
            answers.append(raw.read_answer(head_only=True))
            if answers[-1][0] == 101:
                raw.send_frame(TEXT, json.dumps({"type": "init", "token": token()}).encode())
                # A key or a type in the wrong place, with a token behind it, and JSON that breaks off.
                raw.send_frame(TEXT, json.dumps({"type": "Init", "token": token()}).encode())
                raw.send_frame(TEXT, json.dumps({"type": token()}).encode())
                raw.send_frame(TEXT, json.dumps({"token": token()}).encode())
                raw.send_frame(TEXT, json.dumps({"type": "init", "token": token()}).encode()[:-1])
                raw.send_frame(TEXT, json.dumps({"type": "init", "token": token(expires_in=-60)}).encode())
                raw.send_frame(0x8)
                answers.append(raw.read_to_end().decode("utf-8", "replace"))

    for options in ({}, {"expires_in": -60}, {"secret": "another secret of thirty-two bytes"}):
        ask(f"{PATH}?token={token(**options)}")
        ask(f"{PATH}?projectId=x&token={token(**options)}")
        ask(PATH, Authorization=f"Bearer {token(**options)}")
        ask(PATH, Authorization=f"Bearer {token(**options)} x")
        ask(PATH, Sec_WebSocket_Protocol=f"devhive.v1, bearer.{token(**options)}")
    with RawSocket.upgrade(gateway) as raw:
        raw.send_frame(TEXT, json.dumps({"type": "init", "token": token()}).encode())
        answers.append(raw.read_frame()[1].decode())
    for path in (f"/api/v1/projects/{uuid.uuid4()}/ws/status?token={token()}", f"/{token()}", f"{PATH}?token={token()}"):
        answers.append(str(gateway.request(path)))
    answers.append(gateway.request("/metrics", admin=True)[2])
    gateway.terminate()
    assert gateway.wait() == 0

    with_everything = "".join(gateway.lines) + str(answers)
    assert "client registered" in with_everything
    for secret in [tokens.SECRET, *(part for one in made for part in parts_of(one))]:
        assert secret not in with_everything


@pytest.mark.parametrize("arguments", [
    ["--jwt-secret", "hunter2"], ["--jwt-secret=hunter2"], ["serve", "--database-url=hunter2"],
    ["serve", "--JWT_SECRET", "hunter2"], ["migrate", "postgresql://user:hunter2@host/db"]], ids=" ".join)
def test_a_secret_on_the_command_line_is_refused_with_the_reason(arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 64
    assert "every user of this host can read" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr + done.stdout


def test_no_secret_stands_on_the_command_line_of_workers(start_gateway):
    gateway = start_gateway("--workers", "2")
    found = 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/stat") as stat, open(f"/proc/{process}/cmdline", "rb") as line:
                parent, text = int(stat.read().rsplit(")", 1)[1].split()[1]), line.read()
        except OSError:
            continue  # It has ended meanwhile.
        if gateway.process.pid in (int(process), parent):
            found += 1
            assert tokens.SECRET.encode() not in text and b"postgres" not in text
    assert found == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
@pytest.mark.parametrize("options, owner", [([], 0), (["--core-dumps", "on"], NOBODY)], ids=["default", "allowed"])
def test_memory_and_environment_belong_to_root_unless_dumps_are_allowed(options, owner):
    """The kernel gives /proc/PID of a process that mayn't be dumped to root (PR_SET_DUMPABLE, prctl(2))."""
    folder = tempfile.mkdtemp()
    try:
        os.chmod(folder, 0o755)
        program = shutil.copy(BINARY, os.path.join(folder, "devhive-gateway"))
        process = subprocess.Popen(
            [program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *options], user=NOBODY,
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "DATABASE_URL": "postgresql://127.0.0.1:1/x", "JWT_SECRET": tokens.SECRET})
        with process:
            try:
                for line in process.stderr:
                    if "listening" in line:
                        break
                assert os.stat(f"/proc/{process.pid}/environ").st_uid == owner
                assert os.stat(f"/proc/{process.pid}/mem").st_uid == owner
            finally:
                process.terminate()
                process.stderr.read()
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("path, admin", [("/", False), (PATH, False), ("/livez", True), ("/metrics", True)])
def test_answers_forbid_browsers_what_they_are_not_for(gateway, path, admin):
    headers = gateway.request(path, admin=admin)[1]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"] == "default-src 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers and "Access-Control-Allow-Origin" not in headers
