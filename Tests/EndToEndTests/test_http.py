"""What a browser, curl, a load balancer and a scraper see: plain HTTP on both listeners."""

import json
import re
import uuid

import pytest

from support import tokens
from support.clients import PythonClient, Refused
from support.gateway import PATH
from support.raw import RawSocket, handshake
from support.waiting import wait_until

ANYBODY = "00000000-0000-4000-8000-0000000000aa"


def status_path(project):
    return f"/api/v1/projects/{project}/ws/status"


def code_of(body):
    return json.loads(body)["error"]["code"]


def answer_to(gateway, request):
    with RawSocket(gateway.address) as raw:
        raw.send(request)
        return raw.read_answer()


@pytest.mark.parametrize("replaced, expected", [
    ({"Upgrade": None}, (426, "upgrade_required")),
    ({"Sec_WebSocket_Version": "8"}, (426, "upgrade_required")),
    ({"Sec_WebSocket_Key": None}, (400, "bad_request")),
    ({"Sec_WebSocket_Key": "short"}, (400, "bad_request")),
    ({"Connection": "keep-alive"}, (400, "bad_request")),
])
def test_a_handshake_that_is_none_is_refused(gateway, replaced, expected):
    target = f"{PATH}?token={tokens.token(ANYBODY)}"
    status, headers, body = answer_to(gateway, handshake(target, **replaced))
    assert (status, code_of(body)) == expected
    assert headers["content-type"] == "application/json"
    if status == 426:
        assert headers["sec-websocket-version"] == "13"


def test_a_project_that_is_no_uuid_is_refused(gateway):
    target = f"{PATH}?token={tokens.token(ANYBODY)}&projectId=42"
    status, _, body = answer_to(gateway, handshake(target))
    assert (status, code_of(body)) == (400, "bad_request")


def test_a_bad_token_is_refused_before_the_upgrade(gateway):
    status, headers, body = answer_to(gateway, handshake(f"{PATH}?token=nonsense"))
    assert (status, code_of(body)) == (401, "unauthorized")
    assert headers["www-authenticate"].startswith("Bearer")


def test_unknown_paths_and_methods(gateway):
    assert gateway.request("/")[0] == 404
    assert gateway.request("/metrics")[0] == 404, "nothing of the admin listener is reachable here"
    assert gateway.request(PATH, admin=True)[0] == 404
    status, headers, body = gateway.request(PATH, method="POST")
    assert (status, code_of(body), headers["Allow"]) == (405, "method_not_allowed", "GET")
    status, headers, _ = gateway.request("/livez", method="DELETE", admin=True)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("request_bytes, expected", [
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nNul: \0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nLong: " + b"x" * 20_000 + b"\r\n\r\n", 431),
])
def test_malformed_requests_get_an_answer_and_the_end(gateway, request_bytes, expected):
    with RawSocket(gateway.address) as raw:
        raw.send(request_bytes)
        status, headers, _ = raw.read_answer()
        assert (status, headers["connection"].lower()) == (expected, "close")
        assert raw.read_to_end() == b""


def test_a_head_that_never_ends_is_answered_with_408(start_gateway):
    gateway = start_gateway("--handshake-timeout", "300ms")
    with RawSocket(gateway.address) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost:")
        status, _, body = raw.read_answer()
        assert (status, code_of(body)) == (408, "timeout")
        assert raw.read_to_end() == b""


def test_a_connection_is_kept_and_requests_may_be_pipelined(gateway):
    one = b"GET /livez HTTP/1.1\r\nhOST: x\r\n\r\n"
    with RawSocket(gateway.admin_address) as raw:
        raw.send(one)
        assert raw.read_answer()[0] == 200
        raw.send(one + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + one)
        assert [raw.read_answer()[0] for _ in range(3)] == [200, 404, 200]
        raw.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert raw.read_answer()[0] == 200
        assert raw.read_to_end() == b""


def test_a_handshake_byte_by_byte_and_a_message_right_behind_it(gateway):
    request = handshake(f"{PATH}?token={tokens.token(ANYBODY)}")
    with RawSocket(gateway.address) as raw:
        for byte in request[:-1]:
            raw.send(bytes([byte]))
        # An empty masked ping in the same packet as the end of the head.
        raw.send(request[-1:] + bytes([0x89, 0x80, 1, 2, 3, 4]))
        assert raw.read_answer(head_only=True)[0] == 101
        assert raw.read_frame() == (0xA, b"")


def test_head_has_the_headers_of_get_and_no_body(gateway):
    with RawSocket(gateway.admin_address) as raw:
        raw.send(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        head_status, head_headers, _ = raw.read_answer(head_only=True)
        get_status, get_headers, _ = raw.read_answer()
        assert (head_status, head_headers) == (get_status, get_headers)


async def test_the_status_endpoint_counts_clients_and_names_users(gateway, database):
    ada, ben = sorted(str(uuid.uuid4()) for _ in range(2))
    first, second = database.add_project(), database.add_project()
    clients = [
        await PythonClient.connect(gateway, first, user=ben), await PythonClient.connect(gateway, first, user=ada),
        await PythonClient.connect(gateway, first, user=ben), await PythonClient.connect(gateway, second, user=ada)]
    authorization = {"Authorization": f"Bearer {tokens.token(ada)}"}
    status, headers, body = gateway.request(status_path(first), headers=authorization)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    alone = ',"nodes":1,"partial":false}'
    assert body == f'{{"total_clients":4,"project_clients":3,"user_ids":["{ada}","{ben}"]{alone}'
    assert gateway.request(f"{status_path(second)}?token={tokens.token(ada)}")[2] == (
        f'{{"total_clients":4,"project_clients":1,"user_ids":["{ada}"]{alone}')
    assert gateway.request(status_path(uuid.uuid4()), headers=authorization)[2] == (
        '{"total_clients":4,"project_clients":0,"user_ids":[]' + alone)
    for client in clients:
        await client.close()
    wait_until(
        lambda: json.loads(gateway.request(status_path(first), headers=authorization)[2])["total_clients"] == 0,
        "no client is counted any more")


def test_the_status_endpoint_needs_a_token_and_a_project(gateway):
    status, headers, body = gateway.request(status_path(ANYBODY))
    assert (status, code_of(body)) == (401, "unauthorized")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert gateway.request(status_path("42"), headers={"Authorization": f"Bearer {tokens.token(ANYBODY)}"})[0] == 400


async def test_beyond_max_connections_the_answer_is_503(start_gateway):
    gateway = start_gateway("--max-connections", "2")
    first, second = [await PythonClient.connect(gateway) for _ in range(2)]
    with RawSocket(gateway.address) as raw:
        raw.send(handshake(f"{PATH}?token={tokens.token(ANYBODY)}"))
        status, headers, body = raw.read_answer()
    assert (status, code_of(body)) == (503, "unavailable")
    assert int(headers["retry-after"]) > 0
    await first.close()

    async def another():
        try:
            return await PythonClient.connect(gateway)
        except Refused as refused:
            assert refused.status == 503
            return None
    while not (third := await another()):
        pass
    await third.close()
    await second.close()


def test_health(gateway):
    for path in ("/livez", "/readyz", "/healthz"):
        assert gateway.request(path, admin=True)[0] == 200
    assert gateway.request("/readyz?verbose", admin=True)[2] != ""


EXPECTED_METRICS = [
    "devhive_connections", "devhive_connections_opened_total", "devhive_connections_closed_total",
    "devhive_handshakes_refused_total", "devhive_connection_duration_seconds", "devhive_subscriptions",
    "devhive_client_waits_total", "devhive_projects", "devhive_deliveries_total", "devhive_resyncs_total", "devhive_collapsed_clients_total",
    "devhive_slow_consumers_disconnected_total", "devhive_sent_bytes_total", "devhive_received_bytes_total",
    "devhive_client_messages_total", "devhive_client_errors_total", "devhive_notifications_received_total",
    "devhive_notifications_invalid_total", "devhive_notifications_dropped_total", "devhive_notifications_without_audience_total",
    "devhive_present_users", "devhive_presence_messages_total", "devhive_presence_missed_total",
    "devhive_presence_refused_total", "devhive_presence_refused_elsewhere_total",
    "devhive_typing_signs_total",
    "devhive_direct_usable", "devhive_direct_readers", "devhive_direct_messages_total",
    "devhive_direct_acknowledged_total", "devhive_direct_deliveries_total", "devhive_direct_missed_total",
    "devhive_direct_inboxes_refused_total",
    "devhive_direct_unreadable_total", "devhive_direct_pruned_total",
    "devhive_commit_to_socket_seconds", "devhive_listener_up", "devhive_listener_reconnects_total",
    "devhive_loop_turn_seconds", "devhive_loop_turn_cpu_seconds", "devhive_build_info", "process_cpu_seconds_total",
    "process_resident_memory_bytes", "process_open_fds",
]


async def test_the_metrics_are_prometheus_text_and_add_up(gateway, database):
    project = database.add_project()
    clients = [await PythonClient.connect(gateway, project) for _ in range(3)]
    before = gateway.metrics()
    assert (before["devhive_connections"], before["devhive_subscriptions"], before["devhive_projects"]) == (3, 3, 1)
    for _ in range(10):
        database.add_task(project)
    for client in clients:
        for _ in range(10):
            await client.receive()
    after = gateway.metrics()
    assert after["devhive_deliveries_total"] - before["devhive_deliveries_total"] == 30
    assert after["devhive_notifications_received_total"] - before["devhive_notifications_received_total"] == 10
    for client in clients:
        await client.close()
    gateway.wait_for_metric('devhive_connections_closed_total{code="1000"}', 3)

    status, headers, text = gateway.request("/metrics", admin=True)
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert text.endswith("\n")
    types, names = {}, set()
    for line in text.splitlines():
        if described := re.fullmatch(r"# TYPE (\w+) (counter|gauge|histogram)", line):
            types[described[1]] = described[2]
        elif not re.fullmatch(r"# HELP \w+ .+", line):
            sample = re.fullmatch(r'(\w+)(\{\w+="[^"]*"(,\w+="[^"]*")*\})? (\d+(\.\d+)?(e[+-]?\d+)?|\+Inf)', line)
            assert sample, line
            family = re.sub(r"_(bucket|sum|count)$", "", sample[1])
            names.add(family if types.get(family) == "histogram" else sample[1])
    assert names == set(types), "each family has its TYPE, before its samples"
    assert not set(EXPECTED_METRICS) - names
