"""Tokens: the ways they arrive, what makes them bad, how they end, and how they are renewed."""

import base64
import datetime
import json
import uuid

import pytest

from support import tokens
from support.clients import PythonClient, Refused
from support.gateway import PATH
from support.raw import RawSocket, handshake

# The gateway forgives 30 seconds: a token that is over for 28 lasts two more.
ALMOST_OVER = -28


@pytest.mark.parametrize("by", ["query", "header"])
async def test_a_token_in_the_handshake(gateway, database, library, by):
    project = database.add_project()
    client = await library.connect(gateway, project, by=by)
    task = database.add_task(project)
    assert (await client.receive_json())["data"]["id"] == task
    await client.close()


async def test_the_header_counts_before_the_url(gateway, library):
    with pytest.raises(Refused) as refused:
        await library.connect(gateway, by="query", headers={"Authorization": "Bearer nonsense"})
    assert refused.value.status == 401


async def test_a_token_in_the_first_message(gateway, database, library):
    project, user = database.add_project(), str(uuid.uuid4())
    client = await library.connect(gateway, by="nothing")
    ready = await client.initialize(token=tokens.token(user), project_id=project)
    assert (ready["type"], ready["user_id"], ready["project_id"]) == ("ready", user, project)
    task = database.add_task(project)
    assert (await client.receive_json())["data"]["id"] == task
    await client.close()


async def test_a_project_in_the_url_is_joined_once_init_brings_the_token(gateway, database, library):
    project = database.add_project()
    client = await library.connect(gateway, project, by="nothing")
    ready = await client.initialize(token=client.token)
    assert ready["project_id"] == project
    task = database.add_task(project)
    assert (await client.receive_json())["data"]["id"] == task
    await client.close()


async def test_ready_tells_all_that_a_client_needs(start_gateway, database, library):
    gateway = start_gateway("--ping-interval", "7s")
    project = database.add_project()
    client = await library.connect(gateway, project)
    await client.send('{"type":"init"}')
    text = await client.receive()
    ready = json.loads(text)
    assert list(ready) == [
        "type", "connection_id", "user_id", "project_id", "expires_at", "cursor", "ping_interval_ms",
        "reconnect_window_ms"]
    assert text == json.dumps(ready, separators=(",", ":"))
    assert (ready["user_id"], ready["project_id"]) == (client.user, project)
    assert ready["cursor"] is None or ready["cursor"].isdecimal()
    assert (ready["ping_interval_ms"], ready["reconnect_window_ms"]) == (7000, 1000)
    connection = uuid.UUID(ready["connection_id"])
    # Nobody can tell another's id by its own.
    next_one = await library.connect(gateway, project)
    await next_one.send('{"type":"init"}')
    other = uuid.UUID((await next_one.receive_json())["connection_id"])
    assert (connection.int ^ other.int).bit_count() >= 24
    payload = client.token.split(".")[1]
    expires = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    assert ready["expires_at"] == (
        datetime.datetime.fromtimestamp(expires, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    await client.close()


async def test_ready_without_a_project(gateway):
    client = await PythonClient.connect(gateway)
    assert (await client.initialize())["project_id"] is None
    await client.close()


USER = str(uuid.uuid4())
BAD_TOKENS = {
    "expired": tokens.token(USER, expires_in=-60),
    "without exp": tokens.token(USER, exp=None),
    "not yet valid": tokens.token(USER, nbf=4_000_000_000),
    "of another key": tokens.token(USER, secret="another secret of thirty-two bytes"),
    "alg none": tokens.token(USER, header={"alg": "none"}),
    "alg none, unsigned": tokens.token(USER, header={"alg": "none"}).rsplit(".", 1)[0] + ".",
    "alg RS256": tokens.token(USER, header={"alg": "RS256"}),
    "of nobody": tokens.token(USER, sub=None),
    "sub not a UUID": tokens.token("root"),
    "exp as text": tokens.token(USER, exp="4000000000"),
    "exp of 2^63": tokens.token(USER, exp=2**63),
    "changed signature": tokens.token(USER)[:-2] + "AA",
    "one part": "nonsense",
    "empty": "",
    "long": "x" * 4000,
}


@pytest.mark.parametrize("name", BAD_TOKENS)
@pytest.mark.parametrize("by", ["query", "header"])
def test_bad_tokens_are_refused_with_401(gateway, name, by):
    bad = BAD_TOKENS[name]
    with RawSocket(gateway.address) as raw:
        if by == "query":
            raw.send(handshake(f"{PATH}?token={bad}"))
        else:
            raw.send(handshake(PATH, Authorization=f"Bearer {bad}"))
        status, headers, body = raw.read_answer()
    assert (status, json.loads(body)["error"]["code"]) == (401, "unauthorized")
    assert headers["www-authenticate"].startswith("Bearer")


async def test_a_bad_token_in_the_first_message_closes_with_4001(gateway, library):
    client = await library.connect(gateway, by="nothing")
    await client.send_json({"type": "init", "token": "nonsense"})
    assert (await client.wait_until_closed())[0] == 4001


async def test_without_init_in_time_the_connection_is_closed_with_4002(start_gateway, library):
    gateway = start_gateway("--init-timeout", "300ms")
    client = await library.connect(gateway, by="nothing")
    assert (await client.wait_until_closed())[0] == 4002


async def test_before_init_nothing_can_be_joined(gateway, database):
    project = database.add_project()
    client = await PythonClient.connect(gateway, by="nothing")
    answer = await client.ask({"type": "join_project", "project_id": project, "ref": 1})
    assert (answer["type"], answer["ref"], answer["code"]) == ("error", 1, "not_authenticated")
    database.add_task(project)
    assert (await client.initialize(token=client.token))["type"] == "ready", "and nothing was heard of it"
    await client.close()


async def test_at_the_token_s_end_the_connection_is_closed_with_4101(gateway, library):
    client = await library.connect(gateway, token=tokens.token(str(uuid.uuid4()), expires_in=ALMOST_OVER))
    assert (await client.wait_until_closed())[0] == 4101


async def test_a_fresh_token_prolongs_the_connection(gateway, library):
    user = str(uuid.uuid4())
    old = tokens.token(user, expires_in=ALMOST_OVER)
    renewed, control = [await library.connect(gateway, user=user, token=old) for _ in range(2)]
    before = await renewed.initialize()
    after = await renewed.initialize(token=tokens.token(user))
    assert after["expires_at"] > before["expires_at"]
    assert after["connection_id"] == before["connection_id"]
    assert (await control.wait_until_closed())[0] == 4101
    assert await renewed.ask({"type": "ping"}) == {"type": "pong"}
    await renewed.close()


async def test_a_token_of_somebody_else_does_not_take_a_connection_over(gateway, library):
    client = await library.connect(gateway)
    answer = await client.ask({"type": "init", "token": tokens.token(str(uuid.uuid4())), "ref": "r"})
    assert (answer["type"], answer["ref"], answer["code"]) == ("error", "r", "bad_token")
    assert (await client.initialize())["user_id"] == client.user
    await client.close()


async def test_query_tokens_can_be_refused(start_gateway):
    gateway = start_gateway("--query-token", "off")
    with pytest.raises(Refused) as refused:
        await PythonClient.connect(gateway)
    assert refused.value.status == 401
    await (await PythonClient.connect(gateway, by="header")).close()


def test_the_token_command_makes_tokens_that_the_gateway_takes(gateway, run_command):
    user = str(uuid.uuid4())
    made = run_command("token", "--user", user).strip()
    tokens.issued.add(made)
    with RawSocket.upgrade(gateway, token=made) as raw:
        raw.send_frame(0x1, b'{"type":"init"}')
        assert json.loads(raw.read_frame()[1])["user_id"] == user
