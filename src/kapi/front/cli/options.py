"""Options that many commands share, and the settings they lead to."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kapi import error_codes
from kapi.errors import KapiError, Problem
from kapi.front.cli.output import Exit, Format, usage
from kapi.front.cli.running.reading import settings_of

if TYPE_CHECKING:
    from kapi.settings import Settings

_TOP_LEVEL: Final = re.compile(rb"""(?m)^["']?(openapi|swagger)["']?\s*:""")
_FLOW: Final = re.compile(rb"""\s*\{\s*["']?(openapi|swagger)["']?\s*:""")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Where keys, deployed APIs and logs live.",
        show_default=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings file; else kapi.toml, found upward from here.",
        show_default=False,
    ),
]
Output = Annotated[Format, typer.Option("-o", "--output", help="Output format.")]
ApiType = Annotated[
    str, typer.Option("--type", help="REST, GRAPHQL or GRPC; else by its content.")
]
ApiName = Annotated[
    str | None,
    typer.Option(
        "--name", help="For a definition alone: the name.", show_default=False
    ),
]
ApiVersion = Annotated[
    str | None,
    typer.Option(
        "--version", help="For a definition alone: the version.", show_default=False
    ),
]
SandboxEndpoint = Annotated[
    str | None,
    typer.Option("--sandbox-endpoint", help="The sandbox backend.", show_default=False),
]


def read_input(path: str) -> bytes:
    """The content of a file, or of standard input for `-`. Raises KapiError."""
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        return Path(path).read_bytes()
    except OSError as error:
        raise KapiError(
            "input",
            f"cannot read {path}: {error.strerror}",
            hint="Name a readable file, or - for standard input.",
        ) from error


_OTHER_DEFINITIONS = (".graphql", ".graphqls", ".gql", ".proto")
"""Endings of definitions that are not OpenAPI documents."""


def find_definition(conf: str) -> str:
    """The only definition file beside a conf, for a command that was given none."""
    folder = Path(conf).parent
    endings = {".yaml", ".yml", ".json", *_OTHER_DEFINITIONS}
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix in endings and is_definition(path.read_bytes(), path.name):
            found.append(path)
    if conf == "-" or len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        usage(
            f"which definition belongs to {conf}? (beside it: {names})",
            "Name it: kapi deploy CONF DEFINITION.",
        )
    return str(found[0])


def is_definition(content: bytes, name: str) -> bool:
    """Whether this is a definition: by its name, or an OpenAPI document."""
    return name.endswith(_OTHER_DEFINITIONS) or is_openapi(content, name)


def is_openapi(content: bytes, name: str) -> bool:
    """Whether this is an OpenAPI document, by its name too.

    It has `openapi` or `swagger` at its top level.
    """
    if name.endswith(_OTHER_DEFINITIONS):
        return False
    if _FLOW.match(content):
        return True
    if content.lstrip()[:1] != b"{":
        return bool(_TOP_LEVEL.search(content))
    import orjson

    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False  # YAML in flow style, or JSON with mistakes
    return isinstance(value, dict) and ("openapi" in value or "swagger" in value)


def refuse_size(content: bytes, name: str, settings: Settings) -> bytes:
    """The content of a definition. Raises Problem if it is larger than the setting allows."""
    limit = settings.apis.max_definition_bytes
    if len(content) <= limit:
        return content
    detail = f"{name} has {len(content)} bytes; at most {limit} are read"
    raise Problem.of(
        error_codes.INVALID_DEFINITION,
        "The definition is too large",
        detail,
        "Raise apis.max_definition_bytes in kapi.toml.",
        status=413,
    )


__all__ = [
    "ApiName",
    "ApiType",
    "ApiVersion",
    "Config",
    "DataDir",
    "Exit",
    "Output",
    "SandboxEndpoint",
    "find_definition",
    "is_definition",
    "is_openapi",
    "read_input",
    "refuse_size",
    "settings_of",
]
