"""Keys of tokens: every kind of them, made and used by independent libraries; their rotation; and what is refused."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time
import uuid

import pytest

from support import tokens
from support.certificates import Certificate
from support.clients import PythonClient, Refused
from support.gateway import BINARY, PATH, UNLIMITED
from support.issuer import ALGORITHMS, Issuer, write_key_set
from support.raw import RawSocket, handshake
from support.secure import SecureSocket, trusting
from support.waiting import wait_until

NO_SECRET = {"JWT_SECRET": ""}
USER = str(uuid.uuid4())


@pytest.fixture(scope="module")
def issuers():
    """One of each algorithm: RSA keys take their time to be made."""
    return {algorithm: Issuer(algorithm, f"key-{algorithm}") for algorithm in ALGORITHMS}


async def accepts(gateway, token):
    try:
        client = await PythonClient.connect(gateway, token=token, by="header")
    except Refused as refused:
        assert refused.status == 401
        return False
    await client.close()
    return True


# The kinds of keys


async def test_a_token_of_each_algorithm_is_taken_with_pem_files(start_gateway, issuers, tmp_path):
    files = ",".join(issuer.write_pem(tmp_path / f"{name}.pem") for name, issuer in issuers.items())
    gateway = start_gateway("--jwt-key", files, environment=NO_SECRET)
    for issuer in issuers.values():
        assert await accepts(gateway, issuer.token(USER))
        assert not await accepts(gateway, Issuer(issuer.algorithm).token(USER)), "of another key"
    assert not await accepts(gateway, tokens.token(USER)), "there is no secret"


async def test_and_with_a_key_set_by_the_key_s_name(start_gateway, issuers, tmp_path):
    other = {"kty": "oct", "k": "AAAA", "kid": "secret"}
    path = write_key_set(tmp_path / "keys.json", *issuers.values(), more=[other, {"kty": "quantum"}])
    gateway = start_gateway("--jwt-jwks", path)
    for issuer in issuers.values():
        assert await accepts(gateway, issuer.token(USER))
        assert not await accepts(gateway, issuer.token(USER, header={"kid": "../../etc/passwd"}))
        assert not await accepts(gateway, Issuer(issuer.algorithm, issuer.key_id).token(USER))
    assert await accepts(gateway, tokens.token(USER)), "the secret is there too"
    details = [line["detail"] for line in gateway.log("configuration")]
    assert any("key 5 of the set is not used: it is a secret" in detail for detail in details)
    assert any("key 6 of the set is not used: its kty" in detail for detail in details)


async def test_both_secrets_are_good_during_a_rotation(start_gateway):
    following = "the next secret of thirty-two bytes"
    gateway = start_gateway(environment={"JWT_SECRET_NEXT": following})
    assert await accepts(gateway, tokens.token(USER))
    assert await accepts(gateway, tokens.token(USER, secret=following))
    assert not await accepts(gateway, tokens.token(USER, secret=following[::-1]))


# The ways in


async def test_a_token_in_the_subprotocols_is_not_echoed(gateway, database, issuers):
    project, token = database.add_project(), tokens.token(USER)
    with RawSocket(gateway.address) as raw:
        raw.send(handshake(
            f"{PATH}?projectId={project}", **{"Sec-WebSocket-Protocol": f"devhive.v1, bearer.{token}"}))
        head = raw.read_through(b"\r\n\r\n").decode("ascii")
        assert head.startswith("HTTP/1.1 101") and token not in head
        assert "sec-websocket-protocol: devhive.v1\r\n" in head.lower()
        task = database.add_task(project)
        assert task in raw.read_frame()[1].decode("utf-8")


@pytest.mark.parametrize("way", ["header", "subprotocol", "query", "init"])
async def test_a_public_key_s_token_is_taken_each_way(start_gateway, issuers, tmp_path, way):
    gateway = start_gateway("--jwt-jwks", write_key_set(tmp_path / "keys.json", issuers["ES256"]))
    token = issuers["ES256"].token(USER)
    fields, path = {}, PATH
    if way == "header":
        fields["Authorization"] = f"Bearer {token}"
    elif way == "subprotocol":
        fields["Sec-WebSocket-Protocol"] = f"devhive.v1, bearer.{token}"
    elif way == "query":
        path += f"?token={token}"
    with RawSocket(gateway.address) as raw:
        raw.send(handshake(path, **fields))
        assert raw.read_through(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        raw.send_frame(0x1, json.dumps({"type": "init", **({"token": token} if way == "init" else {})}).encode())
        assert json.loads(raw.read_frame()[1])["user_id"] == USER


async def test_without_query_tokens_the_other_ways_stay(start_gateway):
    gateway = start_gateway("--query-token", "off")
    token = tokens.token(USER)
    for path, fields, status in (
            (f"{PATH}?token={token}", {}, b"401"), (PATH, {"Authorization": f"Bearer {token}"}, b"101"),
            (PATH, {"Sec-WebSocket-Protocol": f"devhive.v1, bearer.{token}"}, b"101")):
        with RawSocket(gateway.address) as raw:
            raw.send(handshake(path, **fields))
            assert raw.read_through(b"\r\n").split()[1] == status
    client = await PythonClient.connect(gateway, by="nothing")
    assert (await client.initialize(token=token))["user_id"] == USER
    await client.close()


async def test_the_end_of_a_public_key_s_token_closes_with_4101_unless_it_is_renewed(
        start_gateway, issuers, tmp_path):
    issuer = issuers["EdDSA"]
    gateway = start_gateway(
        "--jwt-jwks", write_key_set(tmp_path / "keys.json", issuer), "--jwt-leeway", "0s")
    renewed, control = [
        await PythonClient.connect(gateway, token=issuer.token(USER, expires_in=2), by="header") for _ in range(2)]
    assert (await renewed.initialize(token=issuer.token(USER)))["type"] == "ready"
    assert (await control.wait_until_closed())[0] == 4101
    assert await renewed.ask({"type": "ping"}) == {"type": "pong"}
    await renewed.close()


# What is asked of claims


async def test_issuer_and_audience_must_fit_where_they_are_configured(start_gateway, issuers, tmp_path):
    issuer = issuers["ES256"]
    gateway = start_gateway(
        "--jwt-jwks", write_key_set(tmp_path / "keys.json", issuer),
        "--jwt-issuer", "https://id.example,https://old.example", "--jwt-audience", "devhive")
    good = {"iss": "https://id.example", "aud": "devhive"}
    for claims, expected in (
            (good, True), ({**good, "iss": "https://old.example"}, True), ({**good, "aud": ["x", "devhive"]}, True),
            ({**good, "iss": "https://id.example/"}, False), ({**good, "iss": None}, False),
            ({**good, "aud": "x"}, False), ({**good, "aud": ["x"]}, False), ({**good, "aud": None}, False)):
        assert await accepts(gateway, issuer.token(USER, **claims)) == expected, claims
        assert await accepts(gateway, tokens.token(USER, **claims)) == expected, claims


async def test_the_leeway_is_an_option(start_gateway):
    strict, lenient = start_gateway("--jwt-leeway", "0s"), start_gateway("--jwt-leeway", "5m")
    late = tokens.token(USER, expires_in=-100)
    assert not await accepts(strict, late) and await accepts(lenient, late)
    early = tokens.token(USER, nbf=int(time.time()) + 100)
    assert not await accepts(strict, early) and await accepts(lenient, early)


# Bad tokens


def raw_token(header, claims, secret=tokens.SECRET):
    """A rightly signed token whose parts are these texts, whatever they are."""
    made = tokens.sign(".".join(tokens.base64url(part.encode("utf-8")) for part in (header, claims)), secret)
    tokens.issued.add(made)
    return made


HEADER = '{"alg":"HS256"}'
CLAIMS = f'{{"sub":"{USER}","exp":4000000000}}'
BAD_TEXTS = {
    "exp twice": raw_token(HEADER, CLAIMS[:-1] + ',"exp":4000000001}'),
    "sub twice, escaped": raw_token(HEADER, CLAIMS[:-1] + f',"\\u0073ub":"{USER}"}}'),
    "alg twice": raw_token('{"alg":"HS256","alg":"HS256"}', CLAIMS),
    "alg none, escaped": raw_token('{"alg":"n\\u006fne"}', CLAIMS),
    "exp a float too late": raw_token(HEADER, CLAIMS.replace("4000000000", "1e300")),
    "exp over 2^63": raw_token(HEADER, CLAIMS.replace("4000000000", str(2**63))),
    "exp as text": raw_token(HEADER, CLAIMS.replace("4000000000", '"4000000000"')),
    "sub with a NUL": raw_token(HEADER, CLAIMS.replace(USER, USER + "\\u0000")),
    "claims not an object": raw_token(HEADER, "[]"),
    "empty claims": raw_token(HEADER, CLAIMS).replace("." + tokens.base64url(CLAIMS.encode()) + ".", ".."),
    "a critical extension": raw_token('{"alg":"HS256","crit":["b64"],"b64":false}', CLAIMS),
    "padded": raw_token(HEADER, CLAIMS) + "=",
}


@pytest.fixture
def everything(start_gateway, issuers, tmp_path):
    """A gateway with a secret, and a key of each kind."""
    return start_gateway("--jwt-jwks", write_key_set(tmp_path / "keys.json", *issuers.values()))


@pytest.mark.parametrize("name", BAD_TEXTS)
async def test_a_text_that_only_seems_a_token_is_refused(everything, name):
    assert not await accepts(everything, BAD_TEXTS[name])


async def test_a_token_in_another_spelling_of_its_last_letter_is_refused(everything, issuers):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for token in [tokens.token(USER), issuers["ES256"].token(USER), issuers["EdDSA"].token(USER)]:
        # 32 and 64 bytes leave bits over in the last letter.
        position = letters.index(token[-1])
        for other in letters[position + 1:position // 4 * 4 + 4]:
            tokens.issued.add(token[:-1] + other)
            assert not await accepts(everything, token[:-1] + other)
        assert await accepts(everything, token)


async def test_an_hmac_made_with_the_public_key_is_refused(everything, issuers):
    for issuer in issuers.values():
        for algorithm in ["HS256", issuer.algorithm]:
            forged = tokens.token(USER, secret=issuer.pem, header={"alg": algorithm, "kid": issuer.key_id})
            assert not await accepts(everything, forged)


async def test_a_token_that_names_another_algorithm_of_its_key_is_refused(everything, issuers):
    for issuer in issuers.values():
        for algorithm in {"RS256", "PS256", "RS512", "none"} - {issuer.algorithm}:
            header, claims, signature = issuer.token(USER).split(".")
            relabelled = tokens.base64url(json.dumps({"alg": algorithm, "kid": issuer.key_id}).encode())
            assert not await accepts(everything, f"{relabelled}.{claims}.{signature}"), f"{header} as {algorithm}"


async def test_expired_early_and_foreign_tokens_of_public_keys_are_refused(everything, issuers):
    for issuer in issuers.values():
        assert not await accepts(everything, issuer.token(USER, expires_in=-60))
        assert not await accepts(everything, issuer.token(USER, nbf=4_000_000_000))
        assert not await accepts(everything, issuer.token(USER, exp=None))
        assert not await accepts(everything, issuer.token(None))
        parts = issuer.token(USER).split(".")
        assert not await accepts(everything, ".".join([parts[0], parts[1], parts[2][:-4]]))
        assert not await accepts(everything, ".".join([parts[0], issuer.token(str(uuid.uuid4())).split(".")[1],
                                                       parts[2]]))


def test_a_megabyte_of_token_is_refused_before_101(everything):
    with RawSocket(everything.address) as raw:
        try:
            raw.send(handshake(PATH, Authorization="Bearer " + "A" * (1 << 20)))
        except (BrokenPipeError, ConnectionResetError):
            pass  # It needn't listen to the end.
        status, _, _ = raw.read_answer()
    assert status == 431


async def test_a_megabyte_of_token_in_init_closes_the_connection(everything):
    client = await PythonClient.connect(everything, by="nothing")
    await client.send_json({"type": "init", "token": "A" * (1 << 20)})
    assert (await client.wait_until_closed())[0] == 1009


# A crowd


async def test_a_crowd_with_public_key_tokens_gets_in_while_others_are_served(start_gateway, issuers, tmp_path):
    keys = write_key_set(tmp_path / "keys.json", issuers["ES256"])
    gateway = start_gateway("--jwt-jwks", keys, *UNLIMITED)
    inside = await PythonClient.connect(gateway)
    token = issuers["ES256"].token(USER)
    crowd = asyncio.gather(*(PythonClient.connect(gateway, token=token, by="header") for _ in range(300)))
    while not crowd.done():
        assert await inside.ask({"type": "ping"}) == {"type": "pong"}
    for client in [inside, *await crowd]:
        await client.abandon()
    assert gateway.metrics()['devhive_handshakes_refused_total{reason="unavailable"}'] == 0


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_requests_that_arrive_all_at_once_are_answered_turn_by_turn(start_gateway, issuers, tmp_path, secure):
    certificate = Certificate(str(tmp_path))
    gateway = start_gateway(
        "--jwt-jwks", write_key_set(tmp_path / "keys.json", issuers["ES256"]),
        *(certificate.options if secure else ()))
    make = SecureSocket.using(trusting(certificate)) if secure else RawSocket
    token = issuers["ES256"].token(USER)
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(make(gateway.address)) for _ in range(60)]
        with gateway.standing_still():
            for raw in crowd:
                raw.send(handshake(PATH, Authorization=f"Bearer {token}"))
        for raw in crowd:
            assert raw.read_through(b"\r\n").startswith(b"HTTP/1.1 101")
    assert gateway.metrics()['devhive_client_waits_total{who="strangers"}'] > 0


# Reloading


async def test_a_secret_file_is_read_again_on_sighup_and_nobody_is_dropped(start_gateway, database, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(tokens.SECRET + "\n", encoding="ascii")
    gateway = start_gateway(environment={"JWT_SECRET": "", "JWT_SECRET_FILE": str(secret)})
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    following = "the next secret of thirty-two bytes"
    secret.write_text(following, encoding="ascii")
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for_metric('devhive_reloads_total{result="ok"}', 1)
    assert not await accepts(gateway, tokens.token(USER))
    assert await accepts(gateway, tokens.token(USER, secret=following))
    task = database.add_task(project)
    assert (await client.receive_json())["data"]["id"] == task
    await client.close()


async def test_a_key_set_is_exchanged_on_sighup(start_gateway, issuers, tmp_path):
    path = tmp_path / "keys.json"
    gateway = start_gateway("--jwt-jwks", write_key_set(path, issuers["ES256"]), environment=NO_SECRET)
    old, new = issuers["ES256"].token(USER), issuers["EdDSA"].token(USER)
    assert await accepts(gateway, old) and not await accepts(gateway, new)
    write_key_set(path, issuers["EdDSA"])
    assert await accepts(gateway, old), "not before it is asked for"
    gateway.process.send_signal(signal.SIGHUP)
    assert gateway.wait_for_log("reloaded", what="token keys")["count"] == 1
    assert await accepts(gateway, new) and not await accepts(gateway, old)


@pytest.mark.parametrize("fault", ["missing", "empty", "half", "short", "private", "pipe"])
async def test_a_broken_key_file_keeps_the_old_keys(start_gateway, issuers, tmp_path, fault):
    path = tmp_path / "key.pem"
    issuer = issuers["EdDSA"]
    gateway = start_gateway("--jwt-key", issuer.write_pem(path), environment=NO_SECRET)
    if fault in ("missing", "pipe"):
        path.unlink()
    if fault == "pipe":
        os.mkfifo(path)
    elif fault != "missing":
        path.write_text({
            "empty": "", "half": issuer.pem[:60], "short": SHORT_KEY, "private": issuer.private_pem}[fault],
            encoding="ascii")
    gateway.process.send_signal(signal.SIGHUP)
    line = gateway.wait_for_log("reload failed, the old ones stay in use")
    assert line["level"] == "error" and str(path) in line["error"]
    assert gateway.metrics()['devhive_reloads_total{result="failed"}'] == 1
    assert await accepts(gateway, issuer.token(USER))
    path.unlink(missing_ok=True)
    issuer.write_pem(path)
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_for_metric('devhive_reloads_total{result="ok"}', 1)


async def test_sighup_reaches_every_worker(start_gateway, issuers, tmp_path):
    path = tmp_path / "keys.json"
    gateway = start_gateway("--workers", "2", "--jwt-jwks", write_key_set(path, issuers["ES256"]))
    write_key_set(path, issuers["EdDSA"])
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: {line["worker"] for line in gateway.log("reloaded")} == {1, 2}, "both have read it")
    for _ in range(20):
        assert await accepts(gateway, issuers["EdDSA"].token(USER))
        assert not await accepts(gateway, issuers["ES256"].token(USER))
    assert gateway.metrics()['devhive_reloads_total{result="ok"}'] == 2


# The start

SHORT_KEY = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDD6LGtwx7/HQCe6mWGoN5xC0O+
2zNg4k6OXmzmjJHl448Im+Cm1+NEoRar0723GKbfBcrDIYdSpDtXl1mIzs9e/9+4
vv8HU848GomThaqjAfwAyJR8CJMULKCr88BHqnoPymUmeIqsKCbC9PEPlMcN/4t6
SxrtDf0R787avNHRMwIDAQAB
-----END PUBLIC KEY-----
"""


def check(*options, **environment):
    """Runs `check`: its exit code and what it says on standard error."""
    done = subprocess.run(
        [BINARY, "check", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env={"DATABASE_URL": "postgresql://localhost/x", **environment})
    assert tokens.SECRET not in done.stdout + done.stderr
    return done.returncode, done.stderr


def test_some_key_is_needed(issuers, tmp_path):
    code, said = check()
    assert code == 64 and "JWT_SECRET: not set; it or JWT_SECRET_FILE, --jwt-key or --jwt-jwks is needed" in said
    pem = issuers["ES256"].write_pem(tmp_path / "key.pem")
    assert check("--jwt-key", pem)[0] == check(JWT_SECRET=tokens.SECRET)[0] == 0
    assert check("--jwt-jwks", write_key_set(tmp_path / "keys.json", issuers["RS256"]))[0] == 0


@pytest.mark.parametrize("content, sentence", [
    (SHORT_KEY, "an RSA key of 1024 bits; at least 2048 are needed"),
    ("nonsense", "not a public key in PEM form"),
    ("-----BEGIN CERTIFICATE-----\n", "openssl x509 -pubkey"),
    (None, "No such file or directory"),
])
def test_a_key_that_is_not_good_enough_ends_the_start_with_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_text(content, encoding="ascii")
    code, said = check("--jwt-key", str(path))
    assert code == 64 and sentence in said and str(path) in said


def test_a_private_key_is_refused_and_not_shown(issuers, tmp_path):
    path = tmp_path / "key.pem"
    secret = issuers["EdDSA"].private_pem
    path.write_text(secret, encoding="ascii")
    code, said = check("--jwt-key", str(path))
    assert code == 64 and "a private key" in said and secret.splitlines()[1] not in said


def test_a_secret_that_nobody_drew_is_remarked_on():
    code, said = check(JWT_SECRET="a" * 40)
    assert code == 0 and "warning: JWT_SECRET: few of its bytes differ" in said
    assert "warning" not in check(JWT_SECRET=tokens.SECRET)[1]


def test_the_token_command_needs_a_secret(issuers, tmp_path):
    done = subprocess.run(
        [BINARY, "token", "--user", USER], capture_output=True, text=True, timeout=60, check=False,
        env={"DEVHIVE_JWT_KEY": issuers["ES256"].write_pem(tmp_path / "key.pem")})
    assert done.returncode == 64 and "JWT_SECRET" in done.stderr and not done.stdout
    # It named options that belong to other commands.
    offered = subprocess.run([BINARY, "token", "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    for option in re.findall(r"--[a-z-]+", done.stderr.split("Usage:")[0]):
        assert option in offered, option
    variables = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", done.stderr))
    assert variables == {"JWT_SECRET", "JWT_SECRET_FILE"}
    path = tmp_path / "secret"
    path.write_text(tokens.SECRET, encoding="ascii")
    for name, value in {"JWT_SECRET": tokens.SECRET, "JWT_SECRET_FILE": str(path)}.items():
        done = subprocess.run(
            [BINARY, "token", "--user", USER], capture_output=True, text=True, timeout=60, check=False, env={name: value})
        assert done.returncode == 0 and done.stdout.count(".") == 2, name


def test_the_doctor_looks_at_the_keys(database, issuers, tmp_path):
    def said(*options, **environment):
        done = subprocess.run(
            [BINARY, "doctor", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False, env={"DATABASE_URL": database.url, **environment})
        return [line for line in done.stdout.splitlines() if "token keys" in line]
    path = tmp_path / "key.pem"
    assert said("--jwt-key", issuers["ES256"].write_pem(path)) == ["ok    token keys: 1 usable"]
    path.write_text(SHORT_KEY, encoding="ascii")
    assert said("--jwt-key", str(path))[0].startswith("FAIL  token keys: --jwt-key")
    assert said()[0].startswith("warn  token keys: none here")
