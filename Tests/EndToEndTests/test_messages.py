"""What clients send, and how it is answered."""

import json
import uuid

import pytest

from support.clients import Closed, PythonClient, announce


async def test_join_watches_the_new_project_and_no_longer_the_old(gateway, database, library):
    old, new = database.add_project(), database.add_project()
    client = await library.connect(gateway, old)
    await client.join(new)
    database.add_task(old)
    task = database.add_task(new)
    assert [json.loads(text)["data"]["id"] for text in await client.until_fence(database, new)] == [task]
    await client.close()


async def test_join_with_keep_watches_both(gateway, database, library):
    first, second = database.add_project(), database.add_project()
    client = await library.connect(gateway, first)
    await client.join(second, keep=True)
    tasks = [database.add_task(project) for project in (first, second, first)]
    assert [json.loads(text)["data"]["id"] for text in await client.until_fence(database, second)] == tasks
    await client.close()


async def test_join_twice_delivers_once(gateway, database):
    project = database.add_project()
    client = await PythonClient.connect(gateway, project)
    await client.join(project, keep=True)
    await client.join(project)
    database.add_task(project)
    assert len(await client.until_fence(database, project)) == 1
    await client.close()


async def test_leave_one(gateway, database, library):
    left, kept = database.add_project(), database.add_project()
    client = await library.connect(gateway, left)
    await client.join(kept, keep=True)
    await client.leave(left)
    database.add_task(left)
    task = database.add_task(kept)
    assert [json.loads(text)["data"]["id"] for text in await client.until_fence(database, kept)] == [task]
    await client.close()


async def test_leave_all(gateway, database, library):
    first, second, third = [database.add_project() for _ in range(3)]
    client = await library.connect(gateway, first)
    await client.join(second, keep=True)
    await client.leave()
    database.add_task(first)
    database.add_task(second)
    await client.join(third)
    assert await client.until_fence(database, third) == []
    await client.close()


async def test_without_ref_success_is_silent(gateway, database, library):
    project = database.add_project()
    client = await library.connect(gateway)
    await client.send_json({"type": "join_project", "project_id": project})
    await client.send_json({"type": "pong"})
    assert await client.ask({"type": "ping"}) == {"type": "pong"}
    await client.close()


@pytest.mark.parametrize("ref", ["a", "", "\"quoted\\\u00e4\U0001f600", "x" * 64, 0, -1, 2**53, 2**63 - 1])
async def test_ref_comes_back_as_it_was_sent(without_event_log, gateway, database, ref):
    client = await PythonClient.connect(gateway)
    project = database.add_project()
    assert await client.ask({"type": "join_project", "project_id": project, "ref": ref}) == {"type": "ok", "ref": ref}
    answer = await client.ask({"type": "dance", "ref": ref})
    assert list(answer) == ["type", "ref", "code", "message", "temporary"]
    assert (answer["type"], answer["ref"], answer["code"], answer["temporary"]) == ("error", ref, "unknown_type", False)
    await client.close()


async def test_an_unknown_type_is_an_error_and_the_connection_stays(gateway, library):
    client = await library.connect(gateway)
    answer = await client.ask({"type": "dance"})
    assert (answer["type"], answer["code"]) == ("error", "unknown_type")
    assert "ref" not in answer
    assert await client.ask({"type": "ping"}) == {"type": "pong"}
    await client.close()


@pytest.mark.parametrize("text", [
    "", "nonsense", "{", '{"type":"ping"', '{"type":"ping"}}', "[]", "null", "42", '"ping"', "{}",
    '{"type":42}', '{"type":null}', '{"type":"ping","ref":{}}', '{"type":"ping","ref":1.5}', '{"type":"join_project"}',
    '{"type":"join_project","project_id":42}', "[" * 200, '{"type":"\\ud800"}',
])
async def test_a_malformed_message_is_an_error_and_the_connection_stays(gateway, text):
    client = await PythonClient.connect(gateway)
    await client.send(text)
    answer = await client.receive_json()
    assert (answer["type"], answer["temporary"]) == ("error", False)
    assert answer["code"] == ("unknown_type" if "ud800" in text and answer["code"] == "unknown_type" else "bad_message")
    assert await client.ask({"type": "ping"}) == {"type": "pong"}
    await client.close()


async def test_join_of_something_that_is_no_project_id(gateway, library):
    client = await library.connect(gateway)
    answer = await client.ask({"type": "join_project", "project_id": "42", "ref": 7})
    assert (answer["type"], answer["ref"], answer["code"]) == ("error", 7, "invalid_project")
    await client.close()


async def test_leave_of_a_project_that_is_not_watched(gateway):
    client = await PythonClient.connect(gateway)
    answer = await client.ask({"type": "leave_project", "project_id": str(uuid.uuid4()), "ref": 7})
    assert (answer["type"], answer["ref"], answer["code"]) == ("error", 7, "not_subscribed")
    await client.close()


async def test_a_hundred_projects_and_not_one_more(gateway, database):
    client = await PythonClient.connect(gateway)
    projects = [str(uuid.uuid4()) for _ in range(101)]
    for project in projects[:100]:
        await client.join(project, keep=True)
    answer = await client.ask({"type": "join_project", "project_id": projects[100], "keep": True, "ref": 1})
    assert (answer["type"], answer["code"]) == ("error", "too_many_projects")
    for project in projects:
        announce(database, project, "row")
    arrived = [json.loads(text)["project_id"] for text in await client.until_fence(database, projects[0])]
    assert arrived == projects[:100]
    await client.close()


async def test_a_binary_frame_closes_with_1003(gateway, library):
    client = await library.connect(gateway)
    await client.send(b"\x01\x02")
    assert (await client.wait_until_closed())[0] == 1003


@pytest.mark.parametrize("option, limit", [((), 512), (("--max-message-bytes", "2000"), 2000)])
async def test_a_message_over_the_limit_closes_with_1009(start_gateway, option, limit):
    gateway = start_gateway(*option)
    client = await PythonClient.connect(gateway)
    message = '{"type":"ping","filler":"%s"}'
    longest = message % ("x" * (limit - len(message) + 2))
    assert len(longest) == limit
    await client.send(longest)
    assert await client.receive_json() == {"type": "pong"}
    with pytest.raises(Closed) as closed:
        await client.send(longest + " ")
        await client.receive()
    assert closed.value.code == 1009
