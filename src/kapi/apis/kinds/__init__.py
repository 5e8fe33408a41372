"""Kinds of API: one kind is one file and one name in KINDS.

The gateway part of a kind is in `gateway/envoy/resources/routes/kinds.py`. A definition language
without a kind can be generated from, but not deployed.
"""

from __future__ import annotations

import re
from typing import Final

from kapi.apis.definitions import DEFINITIONS
from kapi.apis.kinds.graphql import GRAPHQL
from kapi.apis.kinds.grpc import GRPC
from kapi.apis.kinds.mcp import MCP
from kapi.apis.kinds.model import Kind
from kapi.apis.kinds.rest import REST

__all__ = ["DEFAULT", "KINDS", "Kind", "kind_at_best", "kind_in", "kind_of"]

KINDS: Final[tuple[Kind, ...]] = (REST, GRAPHQL, GRPC, MCP)
DEFAULT: Final = REST
"""The kind of a conf or a request without a type, as in APK."""

_BY_TYPE: Final = {kind.type: kind for kind in KINDS}
_TYPE_LINE: Final = re.compile(r'^type: "(\w+)"$', re.MULTILINE)


def kind_of(api_type: str) -> Kind | None:
    """The kind with this type, or None."""
    return _BY_TYPE.get(api_type)


def kind_at_best(api_type: str) -> Kind | None:
    """The kind with this type; the default one for a type that does not exist.

    None for the type of a definition language whose APIs cannot be deployed.
    """
    if any(api_type == form.TYPE for form in DEFINITIONS):
        return kind_of(api_type)
    return DEFAULT


def kind_in(conf_text: str) -> Kind:
    """The kind that a stored conf names. It was written by `emit.py`, so `type` has a line."""
    line = _TYPE_LINE.search(conf_text)
    found = None
    if line:
        found = kind_of(line[1])
    return found or DEFAULT
