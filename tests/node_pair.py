"""Two nodes on one PostgreSQL database, on two loopback addresses with the same port."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from harness import DEFINITION, Answer, Platform, conf, free_port

GW = "default.gw.wso2.com"
Pair = tuple[Platform, Platform]


@contextlib.contextmanager
def node_pair(
    folder: Path,
    urls: tuple[str, str],
    *secrets: str,
    environment: dict[str, str] | None = None,
) -> Iterator[Pair]:
    """Start both at once: both make the tables. No log may have a traceback or a secret."""
    with several_nodes(folder, urls, secrets, [environment or {}] * 2) as (one, other):
        yield one, other


@contextlib.contextmanager
def several_nodes(
    folder: Path,
    urls: Sequence[str],
    secrets: Sequence[str],
    environments: Sequence[dict[str, str]],
) -> Iterator[list[Platform]]:
    """One node for each URL and environment, all started at once."""
    port = free_port()
    made = []
    for number, (database, environment) in enumerate(
        zip(urls, environments, strict=True), 1
    ):
        address, own = f"127.0.0.{number}", folder / f"node-{number}"
        own.mkdir()
        arguments = ("--database", database, "--listen", address)
        node = Platform(port, own / "data", arguments, address=address)
        node.environment |= environment
        node.secrets += secrets
        made.append(node)
    with ThreadPoolExecutor() as threads:
        list(threads.map(Platform.start, made))
    yield made
    for node in made:
        node.stop()
    for node in made:
        logs = "".join(
            path.read_text() for path in (node.data_dir / "logs").glob("*.log")
        )
        assert "Traceback" not in logs, logs


def call(node: Platform, base: str, token: str = "", path: str = "/items") -> Answer:
    bearer = ("-H", f"Authorization: Bearer {token}") if token else ()
    return node.request(GW, f"{base}/1.0.0{path}", *bearer)


def deployed(node: Platform, name: str, port: int, **more: Any) -> str:
    """Deploy an API; the number of the change."""
    answer = node.deploy(conf(name, f"/{name.lower()}", port=port, **more), DEFINITION)
    assert answer.status == 200, answer.body
    return answer.headers["kapi-change"]


class Load:
    """Calls a path of a node over one connection until it is stopped; the statuses that came."""

    def __init__(
        self, node: Platform, path: str, token: str, pause: float = 0.005
    ) -> None:
        self._node, self._path, self._pause = node, path, pause
        self._headers = {
            "host": f"{GW}:{node.port}",
            "authorization": f"Bearer {token}",
        }
        self._stopped = threading.Event()
        self.statuses: list[int] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)

    def _run(self) -> None:
        connection = http.client.HTTPSConnection(
            self._node.address,
            self._node.port,
            context=ssl._create_unverified_context(),
            timeout=20,
        )
        while not self._stopped.wait(self._pause):
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            self.statuses.append(answer.status)
