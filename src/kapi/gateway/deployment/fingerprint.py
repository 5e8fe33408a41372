"""Says whether the rendered resources in the store are what this program would render.

The whole input of rendering is hashed, never a selection, so a setting that is added later is part
of the fingerprint. Called by the deployer at the start.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import kapi
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.policies import POLICIES

SOURCES = (
    "addresses.py",
    "apis",
    "client_certificates.py",
    "dataclass.py",
    "error_codes.py",
    "errors.py",
    "gateway",
    "jose",
    "json_reading.py",
    "policies",
    "settings",
    "typed.py",
)
"""Modules and packages of kapi that rendering runs through."""
_SUFFIXES = (".py", ".lua")


def fingerprint(context: RenderContext) -> str:
    """A hash of the version, the input of rendering, the policies and the code.

    The code is part of it because a working copy changes without its version. Raises TypeError for
    an input without a canonical text.
    """
    parts = {
        "version": kapi.__version__,
        "input": plain(context),
        "policies": [policy.name for policy in POLICIES],
        "code": code_hash(),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def plain(value: Any) -> Any:
    """A value in a canonical JSON form: equal for equal values.

    Raises TypeError for other types.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return sorted(
            ([plain(key), plain(item)] for key, item in value.items()), key=json.dumps
        )
    if isinstance(value, frozenset | set):
        return sorted((map(plain, value)), key=json.dumps)
    if isinstance(value, tuple | list):
        return list(map(plain, value))
    raise TypeError(f"{type(value).__name__} in the input of rendering")


@cache
def code_hash() -> str:
    """A hash of the code that rendering runs through."""
    digest = hashlib.sha256()
    root = os.path.dirname(kapi.__file__)  # noqa: PTH120 - objects for paths take longer
    for name in SOURCES:
        for path in _files(f"{root}/{name}"):
            with open(path, "rb") as file:  # noqa: PTH123
                digest.update(path.removeprefix(f"{root}/").encode() + file.read())
    return digest.hexdigest()


def _files(path: str) -> Iterator[str]:
    """The sources in a folder, or the module itself, in a fixed order."""
    if path.endswith(_SUFFIXES):
        yield path
        return
    with os.scandir(path) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir() or entry.name.endswith(_SUFFIXES):
            yield from _files(entry.path)
