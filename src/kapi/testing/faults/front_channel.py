"""Faults of the redirect from the authorization endpoint to the client."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kapi.testing.faults.kind import Effect, Kind, Scene
from kapi.testing.http.calls import Reply

_AT = ("authorize", "sign_in", "consent", "select")
_Pairs = list[tuple[str, str]]


def _redirect(change: Callable[[_Pairs, Scene], _Pairs]) -> Effect:
    """Change the parameters of a redirect with a code; other answers stay."""

    def effect(scene: Scene) -> Reply:
        location = scene.reply.header("location")
        parts = urlsplit(location)
        pairs = parse_qsl(parts.query)
        if "code" not in dict(pairs):
            return scene.reply
        query = urlencode(change(pairs, scene))
        return scene.reply.with_header(
            "location", urlunsplit(parts._replace(query=query))
        )

    return effect


def _set(name: str) -> Callable[[_Pairs, Scene], _Pairs]:
    """Replace a parameter by the fault's value; None removes it."""

    def change(pairs: _Pairs, scene: Scene) -> _Pairs:
        kept = []
        for pair in pairs:
            if pair[0] != name:
                kept.append(pair)
        if scene.value is None:
            return kept
        return [*kept, (name, str(scene.value))]

    return change


def _twice(pairs: _Pairs, _: Scene) -> _Pairs:
    return [*pairs, ("code", "another-code")]


KINDS = (
    Kind(
        "wrong-state",
        "state is this",
        "RFC 6749 §10.12",
        _redirect(_set("state")),
        _AT,
        "another-state",
    ),
    Kind(
        "no-state", "state is missing", "RFC 6749 §4.1.2", _redirect(_set("state")), _AT
    ),
    Kind(
        "mix-up",
        "iss of the redirect is this",
        "RFC 9207 §2.4",
        _redirect(_set("iss")),
        _AT,
        "https://other-issuer.test",
    ),
    Kind(
        "no-iss",
        "iss of the redirect is missing",
        "RFC 9207 §2.4",
        _redirect(_set("iss")),
        _AT,
    ),
    Kind("no-code", "code is missing", "RFC 6749 §4.1.2", _redirect(_set("code")), _AT),
    Kind(
        "wrong-code",
        "code is this",
        "RFC 6749 §4.1.2",
        _redirect(_set("code")),
        _AT,
        "wrong-code",
    ),
    Kind("two-codes", "code is there twice", "RFC 6749 §3.1", _redirect(_twice), _AT),
)
