"""Token requests that arrive in one piece are answered in the parser's callback.

It has no task, no scope and no ASGI messages: these cost more than all else but the signature.
Requests that need the store, are incomplete, are not plain HTTP/1.1 keep-alive, or wait for another
response are handled by ASGI. Both give the same responses;
`tests/identity/test_token_lane.py` compares them. Leans on uvicorn's HttpToolsProtocol.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kapi.errors import OAuthError
from kapi.front.web.identity.app import (
    LARGEST_FORM,
    TOKEN_HEADERS,
    TokenEndpoints,
    checked_headers,
)
from kapi.front.web.identity.failures import tell_failure
from kapi.front.web.identity.repeated_requests import RepeatedRequests
from kapi.identity.protocol.forms import parse_form
from kapi.identity.protocol.http import error_answer
from kapi.identity.token_endpoint import PATHS

Lane = Callable[[bytes, Sequence[tuple[bytes, bytes]], bytes], bytes | None]
"""Path, headers and body of a POST; the whole answer, or None when it must take the usual way."""
_PATHS = {path.encode("ascii"): path for path in PATHS}
_HEAD = (
    STATUS_LINE[200]
    + b"".join(name + b": " + value + b"\r\n" for name, value in TOKEN_HEADERS)
    + b"content-length: "
)


def token_lane(endpoints: TokenEndpoints, now: Callable[[], float]) -> Lane:
    """The short way to these endpoints. `now` gives seconds since the epoch."""
    repeated = RepeatedRequests(os.urandom(32))

    def answer(
        path: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> bytes | None:
        content = repeated.again(headers, body, int(now()))
        if content is not None:
            return _granted(content)
        endpoint = endpoints.of(headers)
        try:
            credentials = checked_headers(headers, _PATHS[path])
            form = parse_form(body)
            if not endpoint.quick(form, credentials):
                return None
            asked = (form, credentials)
            return _granted(repeated.first(endpoint, headers, body, asked, int(now())))
        except OAuthError as error:
            tell_failure(endpoint.provider.record_later, error, headers)
            return _refusal(error)

    return answer


def _granted(content: bytes) -> bytes:
    return b"%b%d\r\n\r\n%b" % (_HEAD, len(content), content)


def _refusal(error: OAuthError) -> bytes:
    answer = error_answer(error)
    lines = [STATUS_LINE[answer.status]]
    lines += [
        f"{name}: {value}\r\n".encode("latin-1") for name, value in answer.headers
    ]
    return b"".join(
        (
            *lines,
            b"content-length: ",
            str(len(answer.body)).encode("ascii"),
            b"\r\n\r\n",
            answer.body,
        )
    )


class TokenLaneProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the short way in front."""

    def __init__(self, lane: Lane, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._lane = lane
        self._held: bytes | None = None
        """The body so far of a request that may take the short way."""

    def data_received(self, data: bytes) -> None:
        """What does not come whole waits the usual way, with its limit of time."""
        super().data_received(data)
        if self._held is not None and self.parser is not None:
            self._take_usual_way()

    def on_message_begin(self) -> None:
        """Only what both ways need; the scope is made when it is needed."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Choose the short way or the application for this request."""
        if self._may_be_short():
            self._held = b""
        else:
            self._make_scope()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hold it, up to the limit of a form."""
        if self._held is None:
            super().on_body(body)
            return
        self._held += body
        if len(self._held) > LARGEST_FORM:
            self._take_usual_way()

    def on_message_complete(self) -> None:
        """Answer a held request."""
        if self._held is None:
            super().on_message_complete()
            return
        try:
            answer = self._lane(self.url, self.headers, self._held)
        except Exception:  # the usual way logs it and answers 500
            answer = None
        if answer is None:
            self._take_usual_way()
            super().on_message_complete()
            return
        self._held = None
        self.server_state.total_requests += 1
        self.transport.write(answer)
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _may_be_short(self) -> bool:
        parser, cycle = self.parser, self.cycle
        return (
            self.url in _PATHS
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _take_usual_way(self) -> None:
        body, self._held = self._held or b"", None
        self._make_scope()
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _make_scope(self) -> None:
        """What the parent does when a message begins, with what has been read since."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers


def protocol_with(lane: Lane) -> Any:
    """The protocol class for uvicorn's `http` setting."""
    return partial(TokenLaneProtocol, lane)
