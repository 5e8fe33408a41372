"""An API server in memory, for what `kapi deploy --target kubernetes` asks of one. It knows no
schema.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Manifest = dict[str, Any]


@dataclass
class FakeApiServer:
    """What is stored, by its path; `says` is the condition that each object gets."""

    port: int = 0
    objects: dict[str, Manifest] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    says: dict[str, Manifest] = field(default_factory=dict)
    """Kind → a condition in place of `Accepted`."""
    refuses: tuple[int, str] | None = None
    """Status and reason for every apply."""

    def applied(self, path: str, item: Manifest, *, dry: bool) -> Manifest:
        before = self.objects.get(path)
        same = before is not None and before["spec_of"] == item
        generation = (
            1 if before is None else before["metadata"]["generation"] + (not same)
        )
        metadata = {**item["metadata"], "generation": generation, "uid": path}
        made = {**item, "metadata": metadata, "status": self.status(item["kind"])}
        if not dry:
            self.objects[path] = {**made, "spec_of": item}
        return made

    def status(self, kind: str) -> Manifest:
        types = ("Accepted", "ResolvedRefs", "Programmed")
        found = [{"type": one, "status": "True", "reason": one} for one in types]
        if kind in self.says:
            found = [one for one in found if one["type"] != self.says[kind]["type"]]
            found.append(self.says[kind])
        return {"conditions": found}

    def under(self, path: str, labels: dict[str, str]) -> list[Manifest]:
        return [
            shown(item)
            for key, item in self.objects.items()
            if key.rpartition("/")[0] == path
            and labels.items() <= item["metadata"].get("labels", {}).items()
        ]

    def names(self) -> set[str]:
        return {path.rpartition("/")[2] for path in self.objects}


def shown(item: Manifest) -> Manifest:
    return {key: value for key, value in item.items() if key != "spec_of"}


def _handler(state: FakeApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.requests.append(
                f"{self.command} {url.path}{' dry' if 'dryRun' in query else ''}"
            )
            status, value = self.decide(url.path, query, content)
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def decide(
            self, path: str, query: dict[str, str], content: bytes
        ) -> tuple[int, Manifest]:
            if self.command == "PATCH" and state.refuses:
                return state.refuses[0], failure(*state.refuses)
            if self.command == "PATCH":
                return 200, state.applied(
                    path, json.loads(content), dry="dryRun" in query
                )
            if "labelSelector" in query:
                labels = dict(
                    one.split("=") for one in query["labelSelector"].split(",")
                )
                return 200, {"metadata": {}, "items": state.under(path, labels)}
            if path not in state.objects:
                return 404, failure(404, f"{path} not found")
            if self.command == "DELETE":
                return 200, shown(state.objects.pop(path))
            return 200, shown(state.objects[path])

        do_GET = do_PATCH = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def failure(status: int, message: str) -> Manifest:
    return {"kind": "Status", "status": "Failure", "code": status, "message": message}


@contextlib.contextmanager
def fake_api_server(folder: Path) -> Iterator[FakeApiServer]:
    """A server with a kubeconfig at `folder/kubeconfig`."""
    state = FakeApiServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    (folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(state.port)))
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def kubeconfig(port: int) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        ],
        "users": [{"name": "fake", "user": {"token": "a-token"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "current-context": "fake",
    }
