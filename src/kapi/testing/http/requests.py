"""Requests to an issuer in this process: built in few words, run on a loop in the background."""

from __future__ import annotations

import asyncio
import base64
import json as json_module
import threading
from collections.abc import Coroutine, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from kapi.testing.http.calls import Call


def request_of(
    method: str,
    path: str,
    *,
    form: Mapping[str, str] | None = None,
    json: Any = None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> Call:
    """A call; `auth` is client id and secret for HTTP Basic (RFC 6749 §2.3.1)."""
    parts = urlsplit(path)
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if form is not None:
        body = urlencode(form).encode()
        sent["content-type"] = "application/x-www-form-urlencoded"
    elif json is not None:
        body = json_module.dumps(json).encode()
        sent["content-type"] = "application/json"
    if auth is not None:
        pair = f"{quote_plus(auth[0])}:{quote_plus(auth[1])}"
        sent["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Call(method, parts.path, parts.query, tuple(sent.items()), body)


def run(call: Coroutine[Any, Any, Any]) -> Any:
    """Run a call to its end, also from inside another event loop."""
    return asyncio.run_coroutine_threadsafe(call, _loop()).result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="kapi-testing", daemon=True).start()
    return loop
