"""Compiles a conf on the command line, for commands that need no running platform."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kapi.errors import Diagnostic, Invalid
from kapi.front.cli.options import find_definition, read_input, refuse_size, settings_of
from kapi.front.cli.output import say

if TYPE_CHECKING:
    from kapi.apis.compile import Compiled
    from kapi.settings import Settings

ConfFile = Annotated[
    str,
    typer.Argument(metavar="CONF", help="An apk-conf file, or - for standard input."),
]
Definition = Annotated[
    str | None,
    typer.Argument(
        metavar="[DEFINITION]",
        help="Its definition; else the only one beside it.",
        show_default=False,
    ),
]


def compiled(
    conf_name: str, definition_name: str | None, config: Path | None
) -> tuple[Compiled, bytes, bytes]:
    """A conf and its definition from files, compiled, and their contents. Prints the warnings.

    Raises InvalidInput with the mistakes.
    """
    return compiled_with(conf_name, definition_name, settings_of(None, config))


def compiled_with(
    conf_name: str, definition_name: str | None, settings: Settings
) -> tuple[Compiled, bytes, bytes]:
    """The same, with settings that were read."""
    from kapi.apis.compile import compiler
    from kapi.front.cli.generating import named
    from kapi.policies import POLICIES

    conf = read_input(conf_name)
    chosen = definition_name or find_definition(conf_name)
    definition = refuse_size(read_input(chosen), chosen, settings)
    files = {
        "apkConfiguration": (conf_name, conf),
        "definitionFile": (chosen, definition),
    }
    try:
        compile_api = compiler(settings.gateway.ai_providers)
        made = compile_api(
            conf, definition, organization=settings.apis.organization, policies=POLICIES
        )
    except Invalid as error:
        raise named(error, files) from error
    say_warnings(made.warnings)
    return made, conf, definition


def say_warnings(warnings: Iterable[Diagnostic]) -> None:
    """Print warnings to standard error."""
    for item in warnings:
        say(f"warning: {item.message}. {item.hint}")
