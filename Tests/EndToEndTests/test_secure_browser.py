"""A real browser connects by wss: Debian's chromium, without a window."""

import json
import uuid

import pytest

from support import tokens
from support.browser import PROGRAM, Browser
from support.certificates import Certificate
from support.clients import announce
from support.gateway import PATH

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="THERE IS NO BROWSER: apt-get install chromium")

# It joins, takes one event, closes with 1000, and keeps what it saw.
SCRIPT = """
window.seen = [];
const socket = new WebSocket(%(url)s, ["devhive.v1", "bearer." + %(token)s]);
socket.onopen = () => socket.send(JSON.stringify({type: "join_project", project_id: %(project)s, ref: 1}));
socket.onmessage = (message) => {
  seen.push(message.data);
  if (message.data.includes("cache_invalidate")) socket.close(1000);
};
socket.onerror = () => seen.push("error");
socket.onclose = ({ code, wasClean }) => seen.push(`closed ${code} ${wasClean} ${socket.protocol}`);
undefined
"""


async def test_chromium_connects_by_wss_and_hears_an_event(start_gateway, database, tmp_path):
    certificate = Certificate(str(tmp_path))
    # The origin of about:blank.
    gateway = start_gateway(*certificate.options, "--allow-origin", "null")
    project = database.add_project()
    # Chromium would ask its user before a blank page reaches this machine's own network.
    unguarded = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"
    async with Browser("--ignore-certificate-errors", unguarded) as browser:
        page = await browser.open("about:blank")
        await page.value(SCRIPT % {
            "url": json.dumps(f"wss://127.0.0.1:{gateway.address[1]}{PATH}"),
            "token": json.dumps(tokens.token(str(uuid.uuid4()))), "project": json.dumps(project)})
        await page.until("seen.length == 1")
        announce(database, project, "from-the-database")
        await page.until("seen.length == 3")
        confirmation, event, end = await page.value("seen")
    assert confirmation.startswith('{"type":"ok","ref":1')
    assert '"from-the-database"' in event
    assert end == "closed 1000 true devhive.v1"
    assert gateway.metrics()["devhive_tls_handshakes_total"] == 1
