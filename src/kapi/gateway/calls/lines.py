"""Reads a line of the access log. Pure; the one place that knows how empty fields are written.

Lines of calls that passed have `null` or `-` in them, since it costs Envoy less than to leave a
field out (`gateway/envoy/resources/logs/access_log.py`).
"""

from __future__ import annotations

from typing import Any, Final

import orjson

Call = dict[str, Any]
_EMPTY: Final = (None, "-", "")


def read_line(line: bytes) -> Call:
    """The fields that have a value. Raises ValueError if it is not a line of the log."""
    value = orjson.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a mistake in the text, not in the code
    call = {}
    for name, content in value.items():
        if content not in _EMPTY:
            call[name] = content
    return call
