"""The intermediate representation (IR) of one API: what the gateway must do, in no gateway's words.

Made by `compile.py` from a conf and its definition, read by the renderers. Frozen values, comparable and printable.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol


class Node(Protocol):
    """What one policy asks for, for an API or an operation: a frozen dataclass made by that policy's file."""

    @property
    def policy(self) -> str:
        """Name of the policy in `kapi.policies.POLICIES`."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A backend address. `base_path` is "" or starts with "/" and never ends with one."""

    scheme: str
    host: str
    port: int
    base_path: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb on one target. `target` starts with "/" and is relative to the API's base path."""

    verb: str
    target: str
    production: Endpoint | None
    sandbox: Endpoint | None
    policies: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """One API as deployed.

    `base_path` holds the version (`/petstore/1.0.0`); `default_base_path` is the path without it when this is the
    default version. Operations stand in match order: the most specific target first.
    """

    id: str
    organization: str
    name: str
    version: str
    environment: str
    base_path: str
    default_base_path: str | None
    operations: tuple[Operation, ...]
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def base_paths(self) -> tuple[str, ...]:
        """All paths it answers on."""
        return (self.base_path,) if self.default_base_path is None else (self.base_path, self.default_base_path)


def plain(value: Any) -> Any:
    """An IR as maps and lists, to print; a policy's node also says which policy it is of."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {"policy": value.policy} if hasattr(value, "policy") else {}
        return named | {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
