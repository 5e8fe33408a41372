"""Faults of the form of an answer: body, media type, headers, members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kapi.testing.faults.kind import Effect, Kind, Scene
from kapi.testing.http.calls import Reply

_TOKEN = ("token",)
_MISSING = object()


def _truncated(scene: Scene) -> Reply:
    return replace(scene.reply, body=scene.reply.body[: len(scene.reply.body) // 2])


def _garbage(scene: Scene) -> Reply:
    return replace(scene.reply, body=b"\x00\xff not JSON" + scene.reply.body[:8])


def _media_type(scene: Scene) -> Reply:
    return scene.reply.with_header("content-type", str(scene.value))


def _array(scene: Scene) -> Reply:
    return replace(scene.reply, body=b"[" + scene.reply.body + b"]")


def _huge(scene: Scene) -> Reply:
    return _with(scene, "padding", "x" * int(scene.value))


def _cacheable(scene: Scene) -> Reply:
    reply = scene.reply.with_header("pragma", None)
    return reply.with_header("cache-control", "public, max-age=3600")


def _no_cors(scene: Scene) -> Reply:
    return scene.reply.with_header("access-control-allow-origin", None)


def _no_challenge(scene: Scene) -> Reply:
    return scene.reply.with_header("www-authenticate", None)


def _with(scene: Scene, name: str, value: Any) -> Reply:
    members = scene.reply.members
    if members is None:
        return scene.reply
    changed = {**members, name: value}
    if value is _MISSING:
        changed.pop(name)
    return scene.reply.with_members(changed)


def _member(name: str, value: Any = _MISSING) -> Effect:
    """Replace a member of an answer, or remove it. The fault's own value takes precedence."""

    def effect(scene: Scene) -> Reply:
        chosen = scene.value
        if scene.value is None:
            chosen = value
        return _with(scene, name, chosen)

    return effect


def _of_member(name: str, change: Callable[[Any], Any]) -> Effect:
    def effect(scene: Scene) -> Reply:
        members = scene.reply.members or {}
        if name in members:
            return _with(scene, name, change(members[name]))
        return scene.reply

    return effect


KINDS = (
    Kind(
        "truncated", "half of the body, with a right length", "RFC 8259 §2", _truncated
    ),
    Kind("garbage", "bytes that are not JSON", "RFC 8259 §8.1", _garbage),
    Kind(
        "content-type",
        "this media type",
        "RFC 6749 §5.1",
        _media_type,
        value="text/html",
    ),
    Kind("array", "a JSON array around the object", "RFC 6749 §5.1", _array),
    Kind(
        "huge",
        "a member with this number of characters",
        "RFC 9110 §15.5.14",
        _huge,
        value=5_000_000,
        numbers=(0, 50_000_000),
    ),
    Kind(
        "cacheable",
        "Cache-Control allows to store it",
        "RFC 6749 §5.1",
        _cacheable,
        _TOKEN,
    ),
    Kind("no-cors", "no header for scripts of other origins", "Fetch §3.2", _no_cors),
    Kind(
        "no-challenge", "401 without WWW-Authenticate", "RFC 6749 §5.2", _no_challenge
    ),
    Kind(
        "no-access-token",
        "access_token is missing",
        "RFC 6749 §5.1",
        _member("access_token"),
        _TOKEN,
    ),
    Kind(
        "no-token-type",
        "token_type is missing",
        "RFC 6749 §5.1",
        _member("token_type"),
        _TOKEN,
    ),
    Kind(
        "token-type",
        "token_type is this",
        "RFC 6749 §7.1",
        _member("token_type", "mac"),
        _TOKEN,
    ),
    Kind(
        "token-type-case",
        "token_type is bEARER",
        "RFC 6749 §5.1",
        _member("token_type", "bEARER"),
        _TOKEN,
    ),
    Kind(
        "no-expires-in",
        "expires_in is missing",
        "RFC 6749 §5.1",
        _member("expires_in"),
        _TOKEN,
    ),
    Kind(
        "expires-in-text",
        "expires_in is a text",
        "RFC 6749 §5.1",
        _of_member("expires_in", str),
        _TOKEN,
    ),
    Kind(
        "expires-in",
        "expires_in is this",
        "RFC 6749 §5.1",
        _member("expires_in", 0),
        _TOKEN,
    ),
    Kind("no-scope", "scope is missing", "RFC 6749 §5.1", _member("scope"), _TOKEN),
    Kind(
        "other-scope",
        "scope is this",
        "RFC 6749 §3.3",
        _member("scope", "other"),
        _TOKEN,
    ),
    Kind(
        "no-id-token",
        "id_token is missing",
        "OIDC Core §3.1.3.3",
        _member("id_token"),
        _TOKEN,
    ),
    Kind(
        "no-refresh-token",
        "refresh_token is missing",
        "RFC 6749 §6",
        _member("refresh_token"),
        _TOKEN,
    ),
    Kind(
        "inactive",
        "introspection says active false",
        "RFC 7662 §2.2",
        _member("active", value=False),
        ("introspect",),
    ),
    Kind(
        "active-text",
        "active is the text true",
        "RFC 7662 §2.2",
        _member("active", "true"),
        ("introspect",),
    ),
    Kind(
        "other-subject",
        "sub of UserInfo is another one",
        "OIDC Core §5.3.2",
        _member("sub", "somebody-else"),
        ("userinfo",),
    ),
    Kind(
        "no-subject",
        "sub of UserInfo is missing",
        "OIDC Core §5.3.2",
        _member("sub"),
        ("userinfo",),
    ),
)
