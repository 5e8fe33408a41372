"""Where an issuer is: its identifier, and each address under which somebody reaches it.

A browser and a container see the same issuer under different addresses. `issuer` is one and the
same for both (RFC 8414 §3.3, OpenID Connect Discovery §4.3); only the addresses of endpoints
differ.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kapi.dataclass import dataclass
from kapi.testing.http.calls import Call, Onward, Reply

_FRONT = ("authorization_endpoint", "end_session_endpoint")
"""Endpoints that a browser opens."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """`url` is the issuer identifier, `base_url` the address of the endpoints.

    Under one of `others`, the discovery document has the endpoints there. Those that a browser
    opens are always below `front_url`, if there is one. All have the path of `base_url`.
    """

    url: str
    base_url: str
    others: tuple[str, ...] = ()
    front_url: str = ""

    def check(self) -> None:
        """Raise ValueError for an address that cannot work."""
        path = urlsplit(self.base_url).path
        for address in filter(None, (*self.others, self.front_url)):
            parts = urlsplit(address)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.netloc
                or parts.path != path
            ):
                raise ValueError(
                    f"{address[:200]!r} cannot be a base address: write scheme, host and port,"
                    f" and the path {path or '(none)'}"
                )

    @property
    def all(self) -> tuple[str, ...]:
        """Every base address, each once."""
        return tuple(
            dict.fromkeys(filter(None, (self.base_url, *self.others, self.front_url)))
        )

    async def __call__(self, call: Call, onward: Onward) -> Reply:
        """The step that writes the addresses of the discovery document."""
        reply = await onward(call)
        members = reply.members
        if call.endpoint != "discovery" or members is None or len(self.all) == 1:
            return reply
        asked = self._asked(call.header("host"))
        changed = {
            name: self._moved(name, value, asked) for name, value in members.items()
        }
        return reply.with_members(changed)

    def _asked(self, host: str) -> str:
        """The address under which the caller reaches the issuer."""
        for address in self.all:
            if urlsplit(address).netloc == host:
                return address
        return self.base_url

    def _moved(self, name: str, value: Any, asked: str) -> Any:
        if name == "issuer" or not isinstance(value, str):
            return value
        if not value.startswith(f"{self.base_url}/"):
            return value
        place = self.front_url if self.front_url and name in _FRONT else asked
        return f"{place}{value.removeprefix(self.base_url)}"
