"""A GraphQL server for live tests: graphql-core behind GraphQL over HTTP, with batches and
persisted queries.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import graphql

SDL = """
type Query { hero(id: ID): Hero heroes: [Hero!]! secret: String }
type Mutation { addHero(name: String!): Hero }
type Subscription { heroAdded: Hero }
type Hero { id: ID! name: String friend: Hero }
"""
HERO = {"id": "1", "name": "Luke", "friend": lambda *_: HERO}
ROOT: dict[str, Any] = {
    "hero": lambda *_, **__: HERO,
    "heroes": lambda *_: [HERO],
    "secret": "42",
    "addHero": lambda *_, name: {"id": "2", "name": name},
}


class GraphQlServer(ThreadingHTTPServer):
    """Remembers the requests that reached it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schema = graphql.build_schema(SDL)
        self.persisted: dict[str, str] = {}
        self.seen: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/graphql"

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        query = request.get("query")
        digest = (
            (request.get("extensions") or {})
            .get("persistedQuery", {})
            .get("sha256Hash")
        )
        if digest and query is None:
            query = self.persisted.get(digest)
            if query is None:
                return {"errors": [{"message": "PersistedQueryNotFound"}]}
        elif digest:
            assert hashlib.sha256(query.encode()).hexdigest() == digest
            self.persisted[digest] = query
        result = graphql.graphql_sync(
            self.schema,
            query,
            ROOT,
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
        )
        return result.formatted


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GraphQlServer

    def do_POST(self) -> None:
        self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        fields = {
            name: values[-1]
            for name, values in parse_qs(urlsplit(self.path).query).items()
        }
        for name in ("variables", "extensions"):
            if name in fields:
                fields[name] = json.loads(fields[name])
        self.reply(fields)

    def reply(self, request: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": headers,
                "body": request,
            }
        )
        batch = isinstance(request, list)
        answer = (
            list(map(self.server.answer, request))
            if batch
            else self.server.answer(request)
        )
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def graphql_server() -> Iterator[GraphQlServer]:
    server = GraphQlServer()
    serve = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    serve.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
