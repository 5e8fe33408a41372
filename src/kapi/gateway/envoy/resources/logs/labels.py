"""Names of routes: organization, version, API and operation in one text. Pure.

The access log has the name in place of four fields, because each field costs CPU time
for each call. Made by `access_log.py`, read by `gateway/calls/lines.py`. All values are
in the name, so lines of APIs that are not deployed any more can be read too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import unquote

FIELDS: Final = ("organization", "api", "version", "operation")
_BETWEEN: Final = "|"
_ESCAPED: Final = str.maketrans({_BETWEEN: "%7C", "%": "%25"})
"""Neither is of the characters that Envoy escapes in JSON, which costs more."""


def label(organization: str, api: str, version: str, operation: str) -> str:
    """The name of a route of this operation; an empty one if it is of none."""
    values = (organization, api, version, operation)
    return _BETWEEN.join(value.translate(_ESCAPED) for value in values)


@lru_cache(4096)
def fields_of(name: str) -> dict[str, str]:
    """The fields that a name contains, without empty ones. Nothing if it is no such name.

    The result is shared: do not change it.
    """
    values = name.split(_BETWEEN)
    if len(values) != len(FIELDS):
        return {}
    found = {}
    for field, value in zip(FIELDS, values, strict=True):
        if value:
            found[field] = unquote(value)
    return found
