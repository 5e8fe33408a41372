"""`kapi up`: its options, and how they are read without typer.

The import of typer takes longer than all else that the command does. So `options_in` reads
a command line that is written as usual; every other one is left to typer, which explains
mistakes and prints the help.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.front.cli.global_options import arguments

_NO_GROUPS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of `kapi up`; None: what the settings say."""

    data_dir: Path | None = None
    config: Path | None = None
    listen: str | None = None
    port: int | None = None
    workers: int | None = None
    issuer: str | None = None
    envoy: str | None = None
    database: str | None = None
    non_production_on_network: bool = False
    testing: bool = False
    detach: bool = False
    ephemeral: bool = False


def up(options: UpOptions) -> None:
    """Run a platform as the options say; returns when it has ended, or is detached."""
    gc.disable()  # Until all is imported, there is nothing to collect.
    from kapi.front.cli.running.ephemeral import run_ephemeral
    from kapi.front.cli.running.starting import given, start, use_database, with_port

    flags: dict[str, Any] = {
        "gateway__listen": options.listen,
        "gateway__port": with_port(options.port),
        "gateway__envoy": options.envoy,
        "identity__workers": options.workers,
        "identity__issuer": options.issuer,
        "identity__non_production_on_network": options.non_production_on_network
        or None,
        "identity__testing": options.testing or None,
    }
    use_database(options.database)
    if options.ephemeral:
        run_ephemeral(options.config, flags)
    else:
        text = given(options.data_dir, options.config, flags)
        start(text, detach=options.detach)


class _Unusual(Exception):
    """A command line that typer reads."""


def options_in(words: Sequence[str]) -> UpOptions | None:
    """The options, if the words are those of `kapi up` as usual; else None."""
    if "up" not in words:
        return None
    name, *left = arguments(words, _NO_GROUPS)
    if name != "up":
        return None
    found: dict[str, Any] = {}
    try:
        while left:
            field, value, left = _next(left)
            if field in found:
                return None
            found[field] = value
    except _Unusual:
        return None
    return UpOptions(**found)


def _next(words: list[str]) -> tuple[str, Any, list[str]]:
    """The field and the value of the first option, and the words after it."""
    option, equals, value = words[0].partition("=")
    field = option.removeprefix("--").replace("-", "_")
    if option in _SWITCHES and not equals:
        return field, True, words[1:]
    if option not in _VALUES:
        raise _Unusual
    size = 1 if equals else 2
    if not equals:
        value = "".join(words[1:2])
    if not value or value.startswith("-"):
        raise _Unusual
    return field, _VALUES[option](value), words[size:]


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise _Unusual
    return int(text)


def _path(text: str) -> Path:
    if os.path.exists(text) and not os.access(text, os.R_OK):  # noqa: PTH110
        raise _Unusual
    return Path(text)


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "--data-dir": _path,
    "--config": _path,
    "--listen": str,
    "--port": _number,
    "--workers": _number,
    "--issuer": str,
    "--envoy": str,
    "--database": str,
}
_SWITCHES: Final = frozenset({
    "--non-production-on-network", "--testing", "--detach", "--ephemeral",
})  # fmt: skip
