"""The entry point of `kapi`. Errors become text and exit codes here only."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import TYPE_CHECKING, Final

from kapi.errors import FULL, KapiError, StorageFull
from kapi.forking import run_forkable
from kapi.front.cli.global_options import arguments
from kapi.front.cli.output import Exit, InvalidInput, ended, fail, use_json_errors
from kapi.front.cli.running.up import options_in, up
from kapi.front.cli.terminal.machine_errors import wants_json

if TYPE_CHECKING:
    from kapi.front.cli.root import Root

_INTERRUPTED: Final = 130


def command_line() -> Root:
    """All commands; each is imported when it is asked for."""
    from kapi.front.cli.commands.table import COMMANDS, EPILOG, HELP
    from kapi.front.cli.root import root

    return root(COMMANDS, HELP, EPILOG)


def main() -> None:
    """Run the command line."""
    sys.exit(run_forkable(_main))


def _main() -> int:
    """Run the command line; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show is written as an escape, not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    as_json = wants_json(sys.argv[1:])
    if as_json:
        use_json_errors()
    try:
        code = _run(as_json=as_json)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else Exit.OK
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has closed it; the final flush must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.OK
    except Exception as error:  # a fault in kapi: a sentence, not a traceback
        code = _unexpected(error)
    return ended(code)


def _run(*, as_json: bool) -> int:
    """Run a command; its exit code."""
    words = sys.argv[1:]
    try:
        options = options_in(words)
        if options is not None:
            up(options)
            return Exit.OK
        commands = command_line()
        groups = frozenset(row.name for row in commands.commands.rows() if row.help)
        # typer explains wrong usage itself, but for programs.
        made = commands(arguments(words, groups), standalone_mode=not as_json)
    except InvalidInput as error:
        return fail(error.problem, error.sources)
    except KapiError as error:
        return fail(error)
    return made if isinstance(made, int) else Exit.OK


def _unexpected(error: Exception) -> int:
    """Explain an error that no command expects; the exit code."""
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        context = getattr(error, "ctx", None)
        hint = f"See `{getattr(context, 'command_path', 'kapi')} --help`."
        wrong = KapiError("usage", error.format_message(), hint=hint)
        return fail(wrong, code=error.exit_code)
    import typer

    if isinstance(error, typer.Abort):
        return fail(KapiError("aborted", "aborted"))
    if isinstance(error, OSError) and error.errno in FULL:
        return fail(StorageFull(str(error.filename or "")))
    if os.environ.get("KAPI_DEBUG"):
        traceback.print_exc()
    title = f"unexpected {type(error).__name__}: {error}"
    return fail(
        KapiError(
            "unexpected",
            title,
            hint="this is a fault in kapi; KAPI_DEBUG=1 shows where.",
        )
    )


if __name__ == "__main__":
    main()
