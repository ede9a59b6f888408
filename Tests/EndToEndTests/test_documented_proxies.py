"""The configurations of docs/deployment.md, run: nginx, HAProxy, Apache and Caddy in front of two gateways."""

import http.client
import json
import uuid
from urllib.parse import urlencode

import pytest

from support import proxies, tokens
from support.certificates import Certificate
from support.clients import announce
from support.gateway import PATH
from support.ports import free_port
from support.raw import TEXT, RawSocket, handshake
from support.secure import trusting
from support.waiting import wait_until

CLIENT = "127.0.0.77"


class Behind:
    """A proxy that runs, and the two gateways behind it."""

    def __init__(self, proxy, gateways, certificate):
        self.proxy, self.gateways = proxy, gateways
        self.context = trusting(certificate)
        self.answers = 0

    def connect(self, token, project=None, by="header", source=CLIENT):
        """The status of the handshake, None if there is no answer, and the socket."""
        raw = RawSocket(self.proxy.address, source=source)
        try:
            raw.socket = self.context.wrap_socket(raw.socket, server_hostname="localhost", do_handshake_on_connect=False)
            raw.socket.do_handshake()
            raw.send(self.request(token, project, by))
            status, _, _ = raw.read_answer(head_only=True)
            self.answers += 1
            return status, raw
        except (EOFError, OSError):
            return None, raw

    @staticmethod
    def request(token, project, by):
        query = {"projectId": project} if project else {}
        fields = {"Host": "localhost"}
        if by == "query":
            query["token"] = token
        elif by == "subprotocol":
            fields["Sec_WebSocket_Protocol"] = f"devhive.v1, bearer.{token}"
        else:
            fields["Authorization"] = f"Bearer {token}"
        return handshake(PATH + ("?" + urlencode(query) if query else ""), **fields)

    def connections(self):
        return [int(gateway.metrics()["devhive_connections"]) for gateway in self.gateways]


def behind(kind, start_gateway, folder):
    if proxies.program(kind.program) is None:
        pytest.skip(f"THERE IS NO {kind.program.upper()}: scripts/test fetches it where it can")
    certificate = Certificate(str(folder))
    port, admin_port = free_port(), free_port()
    proxy = kind(folder, certificate, port, admin_port)
    gateways = [
        start_gateway(
            "--listen", f"{address}:{port}", "--admin-listen", f"{address}:{admin_port}", "--drain-seconds", "30",
            *kind.gateway_options)
        for address in (proxies.FIRST, proxies.SECOND)]
    return Behind(proxy, gateways, certificate)


def can_connect(found):
    """Until the proxy's own checks have found the gateways."""
    try:
        status, raw = found.connect(tokens.token(str(uuid.uuid4())))
    except ConnectionRefusedError:
        return False
    raw.close()
    return status == 101


@pytest.fixture(params=proxies.ALL, ids=lambda kind: kind.__name__)
def tried(request, start_gateway, tmp_path):
    found = behind(request.param, start_gateway, tmp_path)
    with found.proxy.running():
        wait_until(lambda: can_connect(found), "handshakes pass")
        wait_until(lambda: found.connections() == [0, 0], "those that tried have left")
        yield found
        # Their drains would be waited for.
        for gateway in found.gateways:
            gateway.terminate()
            gateway.terminate()


def test_clients_are_served_balanced_and_known_and_no_token_is_logged(tried, database):
    project, user = database.add_project(), str(uuid.uuid4())
    used, sockets = [], []
    for by in ("header", "query", "subprotocol", "header"):
        used.append(tokens.token(user, jti=str(len(used))))
        status, raw = tried.connect(used[-1], project, by)
        assert status == 101
        sockets.append(raw)
    assert tried.connections() == [2, 2]
    wait_until(
        lambda: sum(len(gateway.log("client registered", address=CLIENT)) for gateway in tried.gateways) >= 4,
        "the client's own address is known")
    announce(database, project, "passed on")
    for raw in sockets:
        assert b'"passed on"' in raw.read_frame()[1]
        raw.send_frame(TEXT, b'{"type":"ping"}')
        assert json.loads(raw.read_frame()[1])["type"] == "pong"
    assert status_of(tried, project, used[0]) == 200
    for raw in sockets:
        raw.close()
    sign = "clients" if isinstance(tried.proxy, proxies.HAProxyOfStreams) else PATH
    wait_until(lambda: tried.proxy.access().count(sign) >= tried.answers, "each is logged when it ends")
    for token in used:
        assert token not in tried.proxy.everything()


def status_of(tried, project, token):
    connection = http.client.HTTPSConnection(*tried.proxy.address, context=tried.context, timeout=20)
    connection.request("GET", f"/api/v1/projects/{project}/ws/status", headers={"Authorization": f"Bearer {token}"})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_newcomers_go_to_the_gateway_that_stays(tried):
    """While the other one drains, which takes its time when it has clients, and when it has gone."""
    staying = [tried.connect(tokens.token(str(uuid.uuid4())))[1] for _ in range(2)]
    assert tried.connections() == [1, 1]
    tried.gateways[0].terminate()
    tried.gateways[0].wait_for_log("draining")
    # Where the proxy doesn't ask who is ready, it learns that from a handshake that was refused.
    wait_until(lambda: all(can_connect(tried) for _ in range(4)), "newcomers pass")
    tried.gateways[0].terminate()
    tried.gateways[0].wait()
    assert all(can_connect(tried) for _ in range(4))
    for raw in staying:
        raw.close()


@pytest.mark.parametrize("kind", [*proxies.ALL, proxies.NginxThatKeepsErrorsOut], ids=lambda kind: kind.__name__)
def test_what_a_failing_gateway_leaves_in_the_logs(kind, start_gateway, tmp_path):
    """Of all of them nginx alone writes the token of the URL down, as the document warns."""
    found = behind(kind, start_gateway, tmp_path)
    with found.proxy.running():
        wait_until(lambda: can_connect(found), "handshakes pass")
        for gateway in found.gateways:
            gateway.kill()
        used = [tokens.token(str(uuid.uuid4())) for _ in range(2)]
        for token, by in zip(used, ("query", "subprotocol")):
            status, raw = found.connect(token, by=by)
            raw.close()
            assert status in ((None,) if kind is proxies.HAProxyOfStreams else (502, 503, 504))
        if kind is proxies.Nginx:
            wait_until(lambda: used[0] in found.proxy.logged("error.log"), "nginx writes the request line")
            assert "`error.log` is another matter" in found.proxy.section
        else:
            assert used[0] not in found.proxy.everything()
        assert used[1] not in found.proxy.everything()
