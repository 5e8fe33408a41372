"""The root of the command line: it imports the module of a command when the command is asked for.

Help is plain text: a renderer of boxes costs more to import than most commands take. An indented
paragraph of a help text, such as examples, is printed as it is.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from kapi.dataclass import dataclass
from kapi.front.cli.output import Format

_MODULES = "kapi.front.cli.commands"
_AS_IT_IS = "\b\n"
"""What begins a paragraph that is not wrapped."""

_WIDEST = 100
"""Columns of a help text at most."""


class Group(TyperGroup):
    """A group of commands, whose help shows the whole first paragraph of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table of the commands."""
        del ctx
        rows = [
            (name, _first_paragraph(made.help)) for name, made in self.commands.items()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def subcommands() -> typer.Typer:
    """An empty group of commands; its help is in the table of the root."""
    return typer.Typer(
        cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split())


@dataclass(frozen=True, slots=True)
class Row:
    """A command, or a group of commands, of the root."""

    panel: str
    """The heading of the help that it is below."""
    name: str
    module: str
    """A module of `front/cli/commands`: room and name, with a dot."""
    attribute: str
    """The function of a command, or the group."""
    help: str = ""
    """What a group is about. That of a command is its docstring."""

    def target(self) -> Any:
        """The function or group. Imports its module."""
        return getattr(import_module(f"{_MODULES}.{self.module}"), self.attribute)

    def summary(self) -> str:
        """The first paragraph of the help."""
        return _first_paragraph(self.help or inspect.getdoc(self.target()))

    def command(self) -> TyperCommand | TyperGroup:
        """The command with its options."""
        target = self.target()
        if not isinstance(target, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(self.name)(target)
            target = alone
        made = cast("TyperCommand | TyperGroup", typer.main.get_command(target))
        made.name, made.help = self.name, self.help or made.help
        _keep_indented(made)
        _add_format(made)
        return made


def _keep_indented(command: TyperCommand | TyperGroup) -> None:
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(map(_marked, paragraphs))
    for inner in getattr(command, "commands", {}).values():
        _keep_indented(inner)


_OUTPUT = ("-o", "--output")


def _without_data(
    output: Annotated[
        Format, typer.Option(*_OUTPUT, help="With json, errors are for programs.")
    ] = Format.TABLE,
) -> None:
    del output


def _add_format(command: TyperCommand | TyperGroup) -> None:
    """Give each command that prints no data `-o`: how it writes errors, as `machine_errors.py`."""
    for inner in getattr(command, "commands", {}).values():
        _add_format(inner)
    taken = {name for known in command.params for name in known.opts}
    if isinstance(command, TyperGroup) or _OUTPUT[0] in taken:
        return
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(_without_data)
    option = typer.main.get_command(app).params[0]
    option.expose_value = False
    option.opts = [name for name in option.opts if name not in taken]
    command.params.append(option)


def _marked(paragraph: str) -> str:
    if "\n " in f"\n{paragraph}":
        return f"{_AS_IT_IS}{paragraph}"
    return paragraph


class Commands(MutableMapping[str, Any]):
    """The commands of the root by name; each is made when it is read."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        """Store what the command is; its module is imported when it runs."""
        self._rows = {row.name: row for row in rows}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._rows[name].command()
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> tuple[Row, ...]:
        """What the help lists."""
        return tuple(self._rows.values())


class Root(TyperGroup):
    """The root: `commands` is the table of all commands, listed below their headings."""

    commands: Commands

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, without making a command."""
        del ctx
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a table for each heading."""
        del ctx
        rows = self.commands.rows()
        width = max(len(row.name) for row in rows)
        tables: dict[str, list[tuple[str, str]]] = {}
        for row in rows:
            tables.setdefault(row.panel, []).append(
                (row.name.ljust(width), row.summary())
            )
        for panel, table in tables.items():
            with formatter.section(panel):
                formatter.write_dl(table)


def root(rows: tuple[Row, ...], help_text: str, epilog: str) -> Root:
    """The command line `kapi`."""
    app = typer.Typer(
        cls=Root,
        help=help_text,
        epilog=epilog,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"max_content_width": _WIDEST},
    )
    app.callback()(_no_action)
    made = cast("Root", typer.main.get_command(app))
    _keep_indented(made)
    made.commands = Commands(rows)
    return made


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's interface
    if wanted:
        from kapi import __version__

        sys.stdout.write(f"kapi {__version__}\n")
        raise typer.Exit


def _no_action(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
) -> None:
    pass
