"""Commands about declared state: `kapi diff` and `kapi apply`, by the apply API."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from kapi.errors import KapiError
from kapi.front.cli.client import Client
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import (
    Exit,
    Format,
    InvalidInput,
    fail,
    put,
    say,
    show,
    usage,
)

if TYPE_CHECKING:
    from kapi.front.cli.declaring.files import Reading
    from kapi.front.cli.declaring.sending import Sender
    from kapi.settings import Settings

Files = Annotated[
    list[str] | None,
    typer.Option(
        "-f",
        "--file",
        metavar="FILE|DIR|-",
        help="A file, a folder with all below it, or standard input. May be repeated.",
        show_default=False,
    ),
]
Owner = Annotated[
    str,
    typer.Option(
        "--owner", help="Who declares this; --prune removes what it created only."
    ),
]
Prune = Annotated[
    bool,
    typer.Option("--prune", help="Remove what an earlier apply of this owner created."),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Let the platform check everything; change nothing."
    ),
]
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Apply again whenever a file changes, until Ctrl-C."),
]
_DIFFERS = Exit.FAILED


def diff(
    file: Files = None,
    owner: Owner = "default",
    prune: Prune = False,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show how the platform differs from files. Exit code 1 if it does, more for an error.

    Examples:
      kapi diff -f platform.yaml
      kapi diff -f deploy/ --prune -o json
    """
    settings = settings_of(data_dir, config)
    try:
        reading = _reading(file, settings)
        planned = _sender(reading, settings, owner, prune=prune).plan()
    except InvalidInput as error:
        raise typer.Exit(fail(error.problem, error.sources)) from error
    except KapiError as error:
        raise typer.Exit(_not_one(fail(error))) from error
    _show_differences(planned, reading, output)
    if any(item["status"] != "unchanged" for item in planned):
        raise typer.Exit(_DIFFERS)


def apply(
    file: Files = None,
    owner: Owner = "default",
    prune: Prune = False,
    dry_run: DryRun = False,
    watch: Watch = False,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make the platform have what files declare: APIs, clients, users and more.

    Examples:
      kapi apply -f platform.yaml
      kapi apply -f deploy/ --prune --owner shop
      kapi apply -f deploy/ --watch
    """
    settings = settings_of(data_dir, config)

    def once(reading: Reading) -> None:
        sender = _sender(reading, settings, owner, prune=prune)
        failure = None
        if dry_run:
            made = sender.plan()
        else:
            made, failure = sender.apply()
        _show_made(made, output, dry_run=dry_run)
        if failure is not None:
            _explain(failure, made, reading)

    if watch:
        _watch(file, settings, once)
    once(_reading(file, settings))


def _reading(file: list[str] | None, settings: Settings) -> Reading:
    from kapi.front.cli.declaring.files import read_all

    if not file:
        usage("nothing to read", "Name a file or a folder: -f platform.yaml.")
    return read_all(file, plain=Client(settings).is_for_tests)


def _sender(reading: Reading, settings: Settings, owner: str, *, prune: bool) -> Sender:
    from kapi.front.cli.declaring.sending import Sender, Wish

    return Sender(Client(settings), reading, Wish(owner, prune))


def _watch(
    file: list[str] | None, settings: Settings, once: Callable[[Reading], None]
) -> NoReturn:
    """Apply after each change. A mistake or a failure is shown, and does not end it."""
    from kapi.front.cli.declaring.attempts import Attempts
    from kapi.front.cli.declaring.watching import watch

    if "-" in (file or ()):
        usage("standard input cannot be watched", "Name a file or a folder.")
    names = frozenset(_reading(file, settings).names)
    given = frozenset(file or ())
    attempts = Attempts(given, lambda: _reading(file, settings), once, names)
    watch(attempts.look, attempts.work, time.sleep)


def _show_differences(
    planned: list[dict[str, Any]], reading: Reading, output: Format
) -> None:
    from kapi.front.cli.declaring.differences import differences

    if output is not Format.TABLE:
        show({"objects": planned}, output)
        return
    text = "".join(differences(planned, reading.entries))
    if text:
        put(text)
    say(f"by kapi apply: {_summary(planned)}")


def _show_made(made: list[dict[str, Any]], output: Format, *, dry_run: bool) -> None:
    names = ("kind", "name", "status")
    rows = [{name: item[name] for name in names} for item in made]
    show({"objects": rows}, output, rows)
    note = " (dry run: nothing is changed)" if dry_run else ""
    say(f"{_summary(made)}{note}")


def _summary(objects: list[dict[str, Any]]) -> str:
    counts = Counter(item["status"] for item in objects)
    return (
        ", ".join(f"{count} {status}" for status, count in counts.items())
        or "nothing declared"
    )


def _explain(failure: KapiError, made: list[dict[str, Any]], reading: Reading) -> None:
    """Print why an object failed, and where it is declared. Ends the command."""
    for item in made:
        if item["status"] == "failed" and "object" in item:
            place = reading.entries[item["object"]].place
            say(
                f"{item['kind']} {item['name']} ({place}) failed; what is above it was applied"
            )
    raise typer.Exit(fail(failure))


def _not_one(code: int) -> int:
    """The exit code of an error, where 1 has another meaning."""
    return Exit.ENVIRONMENT if code == _DIFFERS else code
