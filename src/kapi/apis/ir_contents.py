"""What an IR contains: the secrets and backends that it names, and its printed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from kapi.apis.ir import (
    ClientCertificates,
    Endpoint,
    FilterSecret,
    PasswordFile,
    SecretRef,
)

_Kind = TypeVar("_Kind")


def plain(value: Any) -> Any:
    """An IR as maps and lists, to print. Fields with their default are left out.

    The node of a policy also names the policy.
    """
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    if not _has_fields(value):
        return value
    printed = {}
    if hasattr(value, "policy"):
        printed = {"policy": value.policy}
    for item in fields(value):
        part = getattr(value, item.name)
        is_default = item.default is not MISSING and part == item.default
        if not is_default and not item.metadata.get("hidden"):
            printed[item.name] = plain(part)
    return printed


def _has_fields(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def secret_refs(value: Any) -> Iterator[SecretRef]:
    """Every secret that an IR, or a part of one, names."""
    return _of_kind(value, SecretRef)


def endpoints_in(value: Any) -> Iterator[Endpoint]:
    """Every backend that an IR, or a part of one, calls: also those in the nodes of policies."""
    return _of_kind(value, Endpoint)


def client_certificates_in(value: Any) -> Iterator[SecretRef]:
    """Every secret that must hold certificates of clients."""
    for item in _of_kind(value, ClientCertificates):
        yield from item.accepted


def password_files_in(value: Any) -> Iterator[SecretRef]:
    """Every secret that must hold users and digests of passwords."""
    return (item.secret for item in _of_kind(value, PasswordFile))


def filter_secrets_in(value: Any) -> Iterator[FilterSecret]:
    """Every secret whose value a filter of Envoy gets."""
    return _of_kind(value, FilterSecret)


def _of_kind(value: Any, kind: type[_Kind]) -> Iterator[_Kind]:
    return (item for item in _within(value) if isinstance(item, kind))


def _within(value: Any) -> Iterator[Any]:
    """A value and all values inside it that have fields, in their order, each object once."""
    left = [value]
    seen: set[int] = set()
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, list | tuple):
            left.extend(reversed(item))
            continue
        kind: Any = type(item)
        names = _names_of_fields(kind)
        if names:
            yield item
            for name in reversed(names):
                part = getattr(item, name)
                if type(part) not in _LEAVES:
                    left.append(part)


_LEAVES = frozenset({str, int, float, bool, bytes, type(None)})


@cache
def _names_of_fields(kind: Any) -> tuple[str, ...]:
    if not is_dataclass(kind):
        return ()
    return tuple(item.name for item in fields(kind))
