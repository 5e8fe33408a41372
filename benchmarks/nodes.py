"""Three nodes on one PostgreSQL database with 1,000 APIs: how long a change takes to be live on
all, and a node to join.

Times are wall-clock times between a client's request and its first answer on each node, all on one
machine. On a machine with other work, the processor time of each step says more: it is measured
without clients, until the database has the confirmations of all nodes. Run with numbers of APIs:
`benchmarks/nodes.py 100 1000`.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measure import cpu_seconds, thread_seconds

import waiting
from harness import BASIC, DEFINITION, Platform, conf, echo_backend, free_port
from kapi.store import Store, StoredApi
from kapi.store.nodes import Nodes
from node_pair import GW, Load
from postgres import PostgresServer, postgres_server

NODES, CHANGES = 3, 20


def fill(url: str, apis: int, port: int) -> None:
    """As if these APIs had been deployed by a node that is gone."""
    store = Store.open(url)
    for number in range(apis):
        name = f"Old{number}"
        text = conf(name, f"/old{number}", port=port)
        api = StoredApi(
            f"{number:040x}",
            "default",
            name,
            "1.0.0",
            "",
            f"/old{number}/1.0.0",
            None,
            1,
            1,
        )
        store.save_api(api, text, DEFINITION.encode(), ())
    store.close()


def seen(node: Platform, path: str, token: str, status: int) -> Callable[[], float]:
    """Begins to ask; the returned function waits, and says when the status came first."""
    when: list[float] = []

    def ask() -> None:
        with Load(node, path, token, pause=0.0005) as load:
            while status not in load.statuses[-1:]:
                time.sleep(0.0005)
            when.append(time.monotonic())

    thread = threading.Thread(target=ask)
    thread.start()

    def wait() -> float:
        thread.join(60)
        return when[0]

    return wait


def spread(name: str, own: list[float], all_nodes: list[float]) -> None:
    worst = sorted(all_nodes)
    print(
        f"{name:<28} answered {statistics.median(own) * 1000:5.0f} ms"
        f"   live on all {statistics.median(worst) * 1000:5.0f} ms (median)"
        f" {worst[-1] * 1000:5.0f} ms (longest of {len(worst)})",
        flush=True,
    )


def processor_time(nodes: list[Platform], url: str, port: int) -> None:
    """What a deployment takes: at the node that answers, at each of the others, in each Envoy."""
    store = Store.open(url)
    create = nodes[0].token("apk:api_create")
    pids = [{name: node.pid(name) for name in ("control", "envoy")} for node in nodes]
    text = [
        conf(f"Cpu{number}", f"/cpu{number}", port=port) for number in range(CHANGES)
    ]
    nodes[0].deploy(text[0], DEFINITION, create)
    time.sleep(3)
    idle = _used(pids)
    time.sleep(5)
    resting = [
        (after - before) / 5 for before, after in zip(idle, _used(pids), strict=True)
    ]
    before, begun = _used(pids), time.monotonic()
    answered = 0.0
    for number in range(1, CHANGES):
        at = time.monotonic()
        answer = nodes[0].deploy(text[number], DEFINITION, create)
        assert answer.status == 200, answer.body
        answered += time.monotonic() - at
        change = int(answer.headers["kapi-change"])
        while any(
            node.confirmed.deployments < change for node in Nodes(store.database).all()
        ):
            time.sleep(0.005)
    took = time.monotonic() - begun
    store.close()
    times = CHANGES - 1
    spent = [
        (after - first - rest * took) / times * 1000
        for first, after, rest in zip(before, _used(pids), resting, strict=True)
    ]
    print(
        f"{'CPU of a deployment':<28} control {spent[0]:.1f} ms, of each other node"
        f" {(spent[2] + spent[4]) / 2:.1f} ms; Envoy {sum(spent[1::2]) / NODES:.1f} ms each;"
        f" wall: answered {answered / times * 1000:.0f} ms, confirmed by all"
        f" {took / times * 1000:.0f} ms",
        flush=True,
    )


def _used(pids: list[dict[str, int]]) -> list[float]:
    """Seconds of control and Envoy of each node, in turn."""
    return [
        thread_seconds(node[name]) for node in pids for name in ("control", "envoy")
    ]


def measure(nodes: list[Platform], port: int) -> None:
    create, token = nodes[0].token("apk:api_create"), nodes[0].token()
    own, everywhere = [], []
    for number in range(CHANGES):
        path = f"/new{number}/1.0.0/items"
        waits = [seen(node, path, token, 200) for node in nodes]
        begun = time.monotonic()
        text = conf(f"New{number}", f"/new{number}", port=port)
        answer = nodes[number % NODES].deploy(text, DEFINITION, create)
        assert answer.status == 200, answer.body
        own.append(time.monotonic() - begun)
        everywhere.append(max(wait() for wait in waits) - begun)
    spread("deployment", own, everywhere)
    own, everywhere = [], []
    for number in range(CHANGES):
        doomed = nodes[0].token()
        waits = [seen(node, "/new0/1.0.0/items", doomed, 401) for node in nodes]
        begun = time.monotonic()
        form = ("-H", f"Authorization: Basic {BASIC}", "-d", f"token={doomed}")
        nodes[number % NODES].request("idp.am.wso2.com", "/oauth2/revoke", *form)
        own.append(time.monotonic() - begun)
        everywhere.append(max(wait() for wait in waits) - begun)
    spread("revocation", own, everywhere)


def run(
    apis: int, server: PostgresServer, folder: Path, echo: int, *, clients: bool
) -> None:
    """Three nodes with so many APIs."""
    url, port = server.database(), free_port()
    fill(url, apis, echo)
    with contextlib.ExitStack() as stack:
        nodes = []
        for number in range(1, NODES + 1):
            own = folder / str(number)
            own.mkdir(parents=True)
            address = f"127.0.0.{number}"
            arguments = ("--database", url, "--listen", address)
            node = Platform(port, own / "data", arguments, address=address)
            begun = time.monotonic()
            node.start()
            stack.callback(node.stop)
            took, used = time.monotonic() - begun, cpu_seconds(node.pid("control"))
            print(
                f"node {number} joins {apis} APIs: {took:.1f} s, control {used:.1f} s CPU",
                flush=True,
            )
            nodes.append(node)
        assert nodes[-1].request(GW, f"/old{apis - 1}/1.0.0/open").status == 200
        processor_time(nodes, url, echo)
        if clients:
            measure(nodes, echo)


def main() -> None:
    waiting.LIMIT = 900.0
    numbers = [int(text) for text in sys.argv[1:]] or [100, 1000]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres_server())
        echo = stack.enter_context(echo_backend())
        for number in numbers:
            run(
                number,
                server,
                folder / str(number),
                echo,
                clients=number == numbers[-1],
            )


if __name__ == "__main__":
    main()
