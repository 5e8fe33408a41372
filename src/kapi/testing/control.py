"""The powers over HTTP.

`/testing/…` is for the issuer `default`, `/testing/issuers/NAME/…` for another one.

JSON in, JSON out. A request with a body must be `application/json`, and one with an `Origin` header
is refused, so that no page of another site can use a power through a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

from kapi.errors import KapiError, SettingsError
from kapi.json_reading import NotJson, read_json
from kapi.testing.faults.catalogue import KINDS
from kapi.testing.faults.plan import plan_of
from kapi.testing.http.calls import Call, Reply, json_reply
from kapi.testing.minting.recipes import RECIPES

if TYPE_CHECKING:
    from kapi.testing.issuer import Issuer


class Issuers(Protocol):
    """The server of issuers (`server.py`), as this interface needs it."""

    @property
    def judge(self) -> Callable[[str], Any] | None:
        """Tells which deployed APIs let a token in."""

    @property
    def default(self) -> Issuer:
        """The issuer at the root."""

    @property
    def issuer(self) -> Callable[..., Issuer]:
        """Finds an issuer by its name, or makes it."""

    @property
    def emulate(self) -> Callable[..., Issuer]:
        """Makes an issuer that looks like an identity provider."""

    def issuers(self) -> list[Issuer]:
        """List all issuers."""

    def remove(self, name: str) -> None:
        """Delete an issuer. Raises LookupError."""


_Power = Callable[["Issuer", Any], Any]
_YAML = "application/yaml"
"""RFC 9512."""
_NO_CONTENT: dict[str, Any] = {}
NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


class Control:
    """The HTTP interface of a server of issuers."""

    def __init__(self, server: Issuers) -> None:
        self._server = server

    async def __call__(self, call: Call) -> Reply:
        """Answer a call below `/testing`."""
        try:
            answer = self._answer(call)
            if isinstance(answer, str):
                return Reply(
                    200,
                    (("content-type", _YAML), ("cache-control", "no-store")),
                    answer.encode(),
                )
            return json_reply(answer)
        except LookupError as error:
            return _refused(404, str(error.args[0] if error.args else error))
        except SettingsError as error:
            mistakes = [
                f"{item.message} {item.hint}".strip() for item in error.diagnostics
            ]
            return json_reply({"error": "invalid_seed", "mistakes": mistakes}, 400)
        except (ValueError, TypeError, AssertionError, KapiError) as error:
            return _refused(400, str(error))

    def _answer(self, call: Call) -> Any:
        _refuse_pages(call)
        body = _body(call)
        parts = list(filter(None, call.path.split("/")[2:]))
        if not parts:
            return self._overview()
        if parts[0] == "issuers":
            return self._of_issuers(call.method, parts[1:], body)
        return self._of_issuer(call.method, parts, self._server.default, body)

    def _of_issuer(
        self, method: str, parts: list[str], issuer: Issuer, body: Any
    ) -> Any:
        """A power of an issuer; an explanation also judges the deployed APIs, if there are any."""
        made = _power(method, parts, issuer, body)
        if parts == ["explain"] and self._server.judge is not None:
            return {**made, "apis": self._server.judge(_member(body, "token"))}
        return made

    def _overview(self) -> dict[str, Any]:
        return {
            "issuers": [issuer.state() for issuer in self._server.issuers()],
            "powers": sorted(f"{method} /testing/{name}" for method, name in _POWERS),
        }

    def _of_issuers(self, method: str, parts: list[str], body: Any) -> Any:
        if not parts:
            if method == "POST" and "emulate" in body:
                return self._emulated(**body).state()
            if method == "POST":
                return self._server.issuer(**body).state()
            return [issuer.state() for issuer in self._server.issuers()]
        name, rest = parts[0], parts[1:]
        if not rest and method == "DELETE":
            self._server.remove(name)
            return _NO_CONTENT
        issuer = self._server.issuer(name)
        if not rest:
            return issuer.state()
        return self._of_issuer(method, rest, issuer, body)

    def _emulated(
        self,
        *,
        emulate: str,
        parameters: Mapping[str, str] = NO_PARAMETERS,
        **more: Any,
    ) -> Issuer:
        return self._server.emulate(emulate, **more, **parameters)


def _power(method: str, parts: list[str], issuer: Issuer, body: Any) -> Any:
    name = "/".join(parts)
    if method == "DELETE" and parts[0] == "faults" and len(parts) == 2:
        issuer.faults.remove(_number(parts[1], "the id of a fault"))
        return _NO_CONTENT
    power = _POWERS.get((method, name))
    if power is None:
        raise LookupError(f"there is no power {method} {name}; GET /testing lists all")
    return power(issuer, body)


def _refuse_pages(call: Call) -> None:
    """Raise ValueError for a request that a page of another site may have sent."""
    if call.header("origin"):
        raise ValueError(
            "requests of web pages are refused: this one has an Origin header"
        )
    media_type = call.header("content-type").partition(";")[0]
    allowed = (
        ("application/json", _YAML)
        if call.path.endswith("/seed")
        else ("application/json",)
    )
    if call.body and media_type not in allowed:
        raise ValueError(f"the body must be {' or '.join(allowed)}")


def _body(call: Call) -> Any:
    """The JSON body, or the query of a GET. Raises ValueError."""
    if not call.body and _YAML in call.header("accept"):
        return _YAML
    if not call.body:
        return dict(parse_qsl(call.query))
    if call.header("content-type").startswith(_YAML):
        return call.body.decode("utf-8", "replace")
    try:
        return read_json(call.body)
    except NotJson as error:
        raise ValueError(f"the body is not JSON: {error}") from error


def _member(body: Any, name: str) -> str:
    """A member that a power needs, as text. Raises ValueError."""
    if not isinstance(body, Mapping) or name not in body:
        raise ValueError(f"the member {name} is missing")
    return str(body[name])


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{what} is a number, not {text[:80]!r}")
    return int(text[:18])


def _refused(status: int, text: str) -> Reply:
    return json_reply({"error": "refused", "error_description": text}, status)


def _mint(issuer: Issuer, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"token": issuer.mint_wish(body)}


def _clock(issuer: Issuer, body: Mapping[str, Any]) -> dict[str, Any]:
    issuer.clock.change(body)
    return issuer.clock.state()


def _reset_clock(issuer: Issuer, _: Any) -> dict[str, Any]:
    issuer.clock.reset()
    return issuer.clock.state()


def _clear_faults(issuer: Issuer, _: Any) -> dict[str, Any]:
    issuer.faults.clear()
    return _NO_CONTENT


def _plan(issuer: Issuer, body: Any) -> list[dict[str, Any]]:
    """One fault, or a list of them."""
    for wish in body if isinstance(body, list) else [body]:
        plan_of(issuer.faults, wish)
    return issuer.faults.values()


def _journal(issuer: Issuer, query: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted: dict[str, Any] = dict(query)
    if "status" in wanted:
        wanted["status"] = _number(wanted["status"], "status")
    return issuer.journal.values(**wanted)


def _clear_journal(issuer: Issuer, _: Any) -> dict[str, Any]:
    issuer.journal.clear()
    return _NO_CONTENT


def _verify(issuer: Issuer, body: Mapping[str, Any]) -> dict[str, Any]:
    """The assertion of the journal; 400 with its text if it fails."""
    issuer.journal.assert_called(**body)
    return {"ok": True}


def _strictness(issuer: Issuer, body: Mapping[str, Any]) -> dict[str, Any]:
    issuer.level = _member(body, "level")
    return issuer.state()


def _reset(issuer: Issuer, _: Any) -> dict[str, Any]:
    issuer.reset()
    return issuer.state()


def _seed(issuer: Issuer, body: Any) -> dict[str, Any] | str:
    """The seed, as a YAML file if that is accepted."""
    return issuer.seed_file() if body == _YAML else issuer.seed()


def _reseed(issuer: Issuer, body: Mapping[str, Any] | str) -> dict[str, Any]:
    issuer.reseed(body)
    return issuer.seed()


def _recipes(_: Issuer, __: Any) -> list[dict[str, str]]:
    return [
        {"name": item.name, "what": item.what, "clause": item.clause}
        for item in RECIPES
    ]


def _kinds(_: Issuer, __: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": item.name,
            "what": item.what,
            "clause": item.clause,
            "endpoints": list(item.endpoints),
            "value": item.value,
        }
        for item in KINDS
    ]


_POWERS: Mapping[tuple[str, str], _Power] = {
    ("POST", "mint"): _mint,
    ("GET", "mint/recipes"): _recipes,
    ("GET", "clock"): lambda issuer, _: issuer.clock.state(),
    ("PUT", "clock"): _clock,
    ("DELETE", "clock"): _reset_clock,
    ("GET", "faults"): lambda issuer, _: issuer.faults.values(),
    ("POST", "faults"): _plan,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "faults/kinds"): _kinds,
    ("GET", "journal"): _journal,
    ("DELETE", "journal"): _clear_journal,
    ("POST", "journal/verify"): _verify,
    ("GET", "keys"): lambda issuer, _: issuer.keys.all(),
    ("POST", "keys"): lambda issuer, body: issuer.keys.run(**body),
    ("POST", "explain"): lambda issuer, body: issuer.explain(_member(body, "token")),
    ("GET", "addresses"): lambda issuer, _: issuer.check_addresses(),
    ("GET", "strictness"): lambda issuer, _: {"level": issuer.level},
    ("PUT", "strictness"): _strictness,
    ("GET", "seed"): _seed,
    ("PUT", "seed"): _reseed,
    ("POST", "reset"): _reset,
}
"""The powers by method and path."""
