"""Which process is which worker, and clients that are spread over two of them."""

from .clients import PythonClient

CLIENTS_MAX = 64


def process_of(gateway, worker):
    """The newest process of this worker."""
    return gateway.log("worker started", worker=worker)[-1]["process"]


async def clients_of_both(gateway, project):
    """Connects until each of two workers has clients; returns them by their worker's number."""
    clients = {1: [], 2: []}
    for _ in range(CLIENTS_MAX):
        client = await PythonClient.connect(gateway, project)
        worker = gateway.wait_for_log("client registered", user=client.user)["worker"]
        clients[worker].append(client)
        if min(len(found) for found in clients.values()) >= 2:
            return clients
    raise AssertionError(f"{CLIENTS_MAX} connections went to one worker")
