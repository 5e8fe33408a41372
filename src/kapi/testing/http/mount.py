"""An issuer below a path, or over plain http: the provider knows only its own root and https.

Paths in redirects and forms get the prefix. Cookies get the issuer's name, so that issuers of one
host do not share a session. Over http they lose `Secure` and the prefix `__Host-`, which demand
https (RFC 6265bis §4.1.3.2).
"""

from __future__ import annotations

import re
from dataclasses import replace

from kapi.testing.http.calls import Call, Onward, Reply

_COOKIE = "__Host-kapi-"
_ADDRESS = re.compile(rb'((?:action|href|src)=")/(?!/)')


class Mount:
    """The step that takes an issuer from its place to the root, and back."""

    def __init__(self, prefix: str, name: str, *, secure: bool) -> None:
        """`prefix` is the path of the issuer without a slash at the end; may be empty."""
        self._prefix = prefix
        prefix_of_cookies = "kapi-"
        if secure:
            prefix_of_cookies = _COOKIE
        self._own = f"{prefix_of_cookies}{name}-"
        self._secure = secure

    async def __call__(self, call: Call, onward: Onward) -> Reply:
        """Answer a call whose path has lost the prefix already."""
        headers = tuple(map(self._cookies_in, call.headers))
        reply = await onward(replace(call, headers=headers))
        reply = replace(reply, headers=tuple(map(self._header_out, reply.headers)))
        if self._prefix and reply.header("content-type").startswith("text/html"):
            prefix = self._prefix.encode()
            reply = replace(
                reply, body=_ADDRESS.sub(rb"\1" + prefix + b"/", reply.body)
            )
        return reply

    def _cookies_in(self, header: tuple[str, str]) -> tuple[str, str]:
        name, value = header
        if name != "cookie":
            return header
        # Cookies of other issuers are not for this one.
        pieces = [piece.strip() for piece in value.split(";")]
        own = []
        for piece in pieces:
            if self._is_own(piece):
                own.append(piece.replace(self._own, _COOKIE, 1))
        return name, "; ".join(own)

    def _is_own(self, piece: str) -> bool:
        return piece.startswith(self._own)

    def _header_out(self, header: tuple[str, str]) -> tuple[str, str]:
        name, value = header
        if name == "set-cookie":
            value = value.replace(_COOKIE, self._own, 1)
            return name, value if self._secure else value.replace(" Secure;", "")
        if name == "location" and value.startswith("/"):
            return name, self._prefix + value
        return header
