"""A GraphQL server with three heroes: python3 examples/graphql/backend.py 8080."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import graphql

SCHEMA = graphql.build_schema(
    Path(__file__).with_name("schema.graphql").read_text("utf-8")
)
NAMES = ["Luke", "Leia", "Han"]


class Root:
    """The root fields."""

    def hero(self, _: Any, id: str) -> dict[str, str] | None:  # noqa: A002 - the name of the argument
        """One hero, or null."""
        return next((item for item in self.heroes() if item["id"] == id), None)

    def heroes(self, *_: Any) -> list[dict[str, str]]:
        """All heroes."""
        return [
            {"id": str(number), "name": name} for number, name in enumerate(NAMES, 1)
        ]

    def addHero(self, _: Any, name: str) -> dict[str, str]:  # noqa: N802 - the name of the field
        """Add a hero."""
        NAMES.append(name)
        return self.heroes()[-1]


class Handler(BaseHTTPRequestHandler):
    """POST with a JSON body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Execute one request."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = graphql.graphql_sync(
            SCHEMA,
            request["query"],
            Root(),
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
        )
        body = json.dumps(result.formatted).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
