"""What commands need of a platform: the names of its hosts, connections, and tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from kapi.dataclass import dataclass
from kapi.errors import KapiError

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPSConnection

SECONDS = 60
"""How long a connection waits for the next bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The HTTP response of a platform."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def members(self) -> dict[str, Any]:
        """The members of its JSON object; none if the body is something else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        if isinstance(value, dict):
            return value
        return {}


class Server(Protocol):
    """A platform that answers system API requests."""

    @property
    def api_host(self) -> str:
        """The host of the system APIs."""

    @property
    def identity_host(self) -> str:
        """The host of its inbuilt provider. Raises KapiError if it is not known."""

    @property
    def default_host(self) -> str:
        """The host of the APIs of the default organization. Raises KapiError if unknown."""

    @property
    def is_for_tests(self) -> bool:
        """Whether it is known to offer the powers of a test."""

    def authority(self, host: str) -> str:
        """A host with the port of the gateway, as a `Host` header has it."""

    def shown(self, url: str) -> str:
        """A URL of the gateway as people are shown it: by a name that leads there."""

    def connect(self, host: str) -> HTTPSConnection:
        """A connection for requests to a host of the gateway. Raises OSError."""

    def unreachable(self, error: Exception) -> KapiError:
        """Why there is no answer, for people."""

    def token(self, scopes: tuple[str, ...], client_id: str | None) -> str:
        """An access token with these scopes. Raises KapiError if there is none."""


def request(
    server: Server,
    host: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer to one request. Raises KapiError if there is none."""
    from http.client import HTTPException

    sent = {"Host": server.authority(host), **(headers or {})}
    try:
        connection = server.connect(host)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        received = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, answer.read(), received)
    except (OSError, HTTPException) as error:
        raise server.unreachable(error) from error


def connection_to(
    host: str, port: int, address: tuple[str, int], context: ssl.SSLContext
) -> HTTPSConnection:
    """A connection to an address, with the name of a host for TLS. Raises OSError."""
    import socket
    from http.client import HTTPSConnection

    connection = HTTPSConnection(host, port, context=context, timeout=SECONDS)
    peer = socket.create_connection(address, SECONDS)
    connection.sock = context.wrap_socket(peer, server_hostname=host)
    return connection


def authority(host: str, port: int) -> str:
    """A host with its port, which is left out if it is that of https (RFC 9110 §4.2.2)."""
    if port == 443:
        return host
    return f"{host}:{port}"
