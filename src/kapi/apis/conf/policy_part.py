"""The part of the apk-conf that one policy defines: names, shape, levels, checks, descriptions.

Each module in `kapi.policies` has a `ConfPart`. `schema.py` makes the format from all of them. The
format accepts only what a policy (or the format itself) claims, at the levels and in the flows that
the policy names.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import field
from typing import Any, Literal, Protocol

from kapi.apis.conf.nodes import frozen_node
from kapi.apis.conf.shapes import Shape
from kapi.apis.model.conf import ApiConf
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, Node
from kapi.dataclass import dataclass
from kapi.error_codes import ErrorCode

Flow = Literal["request", "response"]
"""A list of policies: those on the way to the backend, or those on the way back."""
Level = Literal["api", "operation"]
"""Where a list of policies is: `apiPolicies` or `operationPolicies`."""
Owner = Literal["api", "operation", "endpoint", "routing"]
"""A mapping of the conf that has fields of policies; `routing` is the API's field of that name."""

Check = Callable[[Mapping, str, Report], None]
"""Checks the parameters of a policy (node and pointer) beyond their shape."""


def accept(node: Mapping, pointer: str, report: Report) -> None:
    """Check nothing: the shape says all."""


def accept_nodes(root: Mapping, report: Report) -> None:
    """Check nothing."""


def accept_conf(conf: ApiConf, report: Report) -> None:
    """Check nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class ListedPolicy:
    """A policy that a conf names in `apiPolicies` or `operationPolicies`.

    `example` holds parameters that are accepted; the tests compile them in each flow and at
    each level. `descriptions` are by the path of a field below `parameters`, such as
    `customClaims.value`.
    """

    name: str
    flows: tuple[Flow, ...]
    parameters: Shape
    descriptions: Table[str, str]
    example: Table[str, Any]
    check: Check = accept
    levels: tuple[Level, ...] = ("api", "operation")
    both_levels: bool = False
    """Whether an API and its operations may have it at once."""
    needs_parameters: bool = True
    once: bool = False
    """Whether a list may have it only once."""
    types: tuple[str, ...] = ()
    """Types of API that may have it; empty for all."""


@dataclass(frozen=True, slots=True, eq=False)
class ConfField:
    """A field of the conf that a policy enforces, and its value in `ApiConf.field`.

    `descriptions` are by the end of a field's path, as in `descriptions.py`.
    """

    name: str
    places: tuple[Owner, ...]
    shape: Shape
    descriptions: Table[str, str]
    value: Callable[[Node, str], Any] = frozen_node
    """From a checked node and its pointer; plain data, frozen, by default."""


@dataclass(frozen=True, slots=True, eq=False)
class ConfPart:
    """All that one policy says about the conf."""

    listed: tuple[ListedPolicy, ...] = ()
    fields: tuple[ConfField, ...] = ()
    check: Callable[[Mapping, Report], None] = accept_nodes
    """Called with the whole file, also when the file has other mistakes."""
    check_conf: Callable[[ApiConf, Report], None] = accept_conf
    """Called with the values of a conf that has no other mistake."""
    error_codes: Table[str, ErrorCode] = field(default_factory=dict)
    """APK's error for a conf whose mistakes all have this diagnostic code."""


NOTHING = ConfPart()
"""For a policy that no field of the conf switches on."""


class HasConfPart(Protocol):
    """What the format needs of a policy."""

    @property
    def conf_part(self) -> ConfPart:
        """What the policy says about the conf."""
