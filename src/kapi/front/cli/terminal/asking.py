"""Asks for what a definition does not contain, if a person is at the terminal.

For `generating.py`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Final

import typer

from kapi.apis.definitions import read_definition
from kapi.apis.generate import base_path_of, name_of_file
from kapi.apis.model.choices import Choices

_FIRST_VERSION: Final = "1.0.0"


def asked(content: bytes, file_name: str, api_type: str, choices: Choices) -> Choices:
    """The choices, completed by answers. Each question has a default."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return choices
    definition, _ = read_definition(content, api_type, file_name)
    if definition is None or definition.names_api:
        return choices
    name = choices.name or _ask("Name of the API", name_of_file(file_name) or api_type)
    version = choices.version or _ask("Version", _FIRST_VERSION)
    base_path = choices.base_path or _ask("Base path", base_path_of(name) or "/api")
    return replace(choices, name=name, version=version, base_path=base_path)


def _ask(question: str, default: str) -> str:
    """The answer. `typer.prompt` would write to standard output, which gets the conf."""
    typer.echo(f"{question} [{default}]: ", nl=False, err=True)
    return sys.stdin.readline().strip() or default
