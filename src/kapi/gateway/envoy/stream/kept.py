"""Resources as they were encoded at an earlier start, so that Envoy gets them sooner.

To encode them, a hundred modules of Envoy's messages are imported, a fifth of what the control
process does before Envoy has its listener. The result depends on the code and the value only. So
it is found by the hash of both in a file (0600). Values with a private key are not in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kapi.gateway.envoy.resources.names import SECRET
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.run_files import write_private


def encoded(type_url: str, value: dict[str, Any]) -> Resource:
    """Encode one resource. Imports what it is encoded with when it is first called."""
    from kapi.gateway.envoy.stream.encode import encode

    return encode(type_url, value)


class KeptEncodings:
    """The file, while a process starts."""

    def __init__(self, path: Path, code: str) -> None:
        """`code` is a hash of the code: what other code encoded does not count."""
        self._path = path
        self._code = code
        self._before = _read(path)
        self._used: dict[str, bytes] | None = {}

    def encode(self, type_url: str, value: dict[str, Any]) -> Resource:
        """Encode one resource, or find it."""
        used = self._used
        if used is None or type_url == SECRET:
            return encoded(type_url, value)
        content = json.dumps([self._code, type_url, value]).encode()
        key = hashlib.sha256(content).hexdigest()
        body = self._before.get(key)
        if body is None:
            body = encoded(type_url, value).body
        used[key] = body
        return resource(type_url, value["name"], body)

    def keep(self) -> None:
        """Write what this start used. What is encoded later is not kept."""
        used, self._used = self._used, None
        if used is not None and used != self._before:
            with suppress(OSError):  # Without the file, the next start takes longer.
                _write(self._path, dict(used))
        self._before = {}


def _write(path: Path, bodies: Mapping[str, bytes]) -> None:
    texts = {key: base64.b64encode(body).decode() for key, body in bodies.items()}
    write_private(path, json.dumps(texts).encode())


def _read(path: Path) -> Mapping[str, bytes]:
    try:
        found = json.loads(path.read_bytes())
        return {
            key: base64.b64decode(body, validate=True) for key, body in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # as without the file
