"""Faults in place of an answer: status, OAuth error, delay, dropped connection, redirect."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from kapi.testing.faults.kind import Kind, Scene
from kapi.testing.http.calls import Reply, json_reply

_UNAUTHORIZED = frozenset({"invalid_client", "invalid_token"})
_STATUSES = (200, 599)


def _status(scene: Scene) -> Reply:
    status = int(scene.value)
    reply = Reply(
        status, (("content-type", "text/plain"),), f"fault: {status}\n".encode()
    )
    if status in {429, 503}:
        return reply.with_header("retry-after", "1")
    return reply


def _oauth_error(scene: Scene) -> Reply:
    error = str(scene.value)
    if scene.call.endpoint == "authorize":
        return _error_redirect(scene, error)
    body = {"error": error, "error_description": "a fault of the test"}
    return json_reply(body, 401 if error in _UNAUTHORIZED else 400)


def _error_redirect(scene: Scene, error: str) -> Reply:
    """To the client, with its state and the issuer (RFC 6749 §4.1.2.1, RFC 9207)."""
    sent = scene.call.parameters
    members = {"error": error, "iss": scene.provider.settings.identity.issuer}
    if "state" in sent:
        members["state"] = sent["state"]
    parts = urlsplit(sent.get("redirect_uri", ""))
    query = "&".join(filter(None, (parts.query, urlencode(members))))
    return Reply(303, (("location", urlunsplit(parts._replace(query=query))),))


def _html_error(scene: Scene) -> Reply:
    page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    return Reply(int(scene.value), (("content-type", "text/html"),), page)


def _empty_200(scene: Scene) -> Reply:  # noqa: ARG001
    return Reply(200, (("content-type", "application/json"),))


def _redirect(scene: Scene) -> Reply:
    return Reply(307, (("location", str(scene.value)),))


def _delay(scene: Scene) -> Reply:
    return replace(scene.reply, late=scene.reply.late + float(scene.value))


def _drop(scene: Scene) -> Reply:
    return replace(scene.reply, dropped=True)


def _cut(scene: Scene) -> Reply:
    body = scene.reply.body or b'{"access_token":"' + b"x" * 512
    return replace(scene.reply, body=body, cut=True)


KINDS = (
    Kind(
        "status",
        "this HTTP status, plain text",
        "RFC 9110 §15.6",
        _status,
        value=503,
        numbers=_STATUSES,
        instead=True,
    ),
    Kind(
        "error",
        "this OAuth error (at authorize: a redirect with it)",
        "RFC 6749 §5.2, §4.1.2.1",
        _oauth_error,
        value="temporarily_unavailable",
        instead=True,
    ),
    Kind(
        "html-error",
        "an HTML page of a proxy, with this status",
        "RFC 6749 §5.2",
        _html_error,
        value=502,
        numbers=_STATUSES,
        instead=True,
    ),
    Kind(
        "empty", "status 200 without a body", "RFC 6749 §5.1", _empty_200, instead=True
    ),
    Kind(
        "redirect",
        "a redirect (307) to this address",
        "RFC 9700 §4.12",
        _redirect,
        value="https://other-issuer.test/",
        instead=True,
    ),
    Kind(
        "delay",
        "the answer, late by this number of seconds",
        "RFC 9110 §15.5.9",
        _delay,
        value=5,
        numbers=(0, 120),
        always=True,
    ),
    Kind(
        "drop",
        "the connection is reset without an answer",
        "RFC 9112 §9.5",
        _drop,
        always=True,
    ),
    Kind(
        "cut",
        "the connection ends in the middle of the answer",
        "RFC 9112 §8",
        _cut,
        always=True,
    ),
)
