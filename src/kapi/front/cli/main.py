"""The entry point of `kapi`: the list of commands, and the one place where errors become text and exit codes."""

from __future__ import annotations

import io
import os
import sys
import traceback

import typer

from kapi.errors import FULL, KapiError, StorageFull
from kapi.front.cli import (
    api_commands,
    api_key_commands,
    application_commands,
    client_commands,
    config_command,
    issuer_commands,
    key_commands,
    platform_commands,
    secret_commands,
    user_commands,
)
from kapi.front.cli.output import Exit, InvalidInput, fail, say

_HELP = """kapi: an API platform. One command starts an identity provider, system APIs and a gateway on https port 9095.

[bold]First steps[/bold]

  kapi up                                      start the platform (Ctrl-C stops it)
  kapi deploy petstore.apk-conf openapi.yaml   deploy an API
  kapi token                                   a token to call it with
"""
_EPILOG = (
    "Exit codes: 0 done · 1 failed · 2 usage · 3 invalid input · 4 unauthenticated or forbidden · 5 not found · "
    "6 refused by the gateway · 7 this machine cannot, or kapi is not running"
)

app = typer.Typer(
    name="kapi",
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

RUN, APIS, IDENTITY, OPERATE = "Run", "APIs", "Identity", "Operate"
for panel, name, command in (
    (RUN, "up", platform_commands.up),
    (RUN, "down", platform_commands.down),
    (RUN, "status", platform_commands.status),
    (APIS, "generate", api_commands.generate),
    (APIS, "validate", api_commands.validate),
    (APIS, "deploy", api_commands.deploy),
    (APIS, "apis", api_commands.apis),
    (APIS, "undeploy", api_commands.undeploy),
    (APIS, "export", api_commands.export),
    (APIS, "schema", api_commands.schema),
    (IDENTITY, "token", api_commands.token),
    (OPERATE, "ca", platform_commands.ca),
    (OPERATE, "doctor", platform_commands.doctor),
    (OPERATE, "config", config_command.config),
    (OPERATE, "version", platform_commands.version),
):
    app.command(name, rich_help_panel=panel)(command)
app.add_typer(api_key_commands.app, name="api-key", rich_help_panel=IDENTITY)
app.add_typer(secret_commands.app, name="secret", rich_help_panel=APIS)
app.add_typer(application_commands.app, name="app", rich_help_panel=APIS)
app.add_typer(application_commands.subscription, name="subscription", rich_help_panel=APIS)
app.add_typer(key_commands.app, name="key", rich_help_panel=IDENTITY)
app.add_typer(user_commands.app, name="user", rich_help_panel=IDENTITY)
app.add_typer(client_commands.app, name="client", rich_help_panel=IDENTITY)
app.add_typer(issuer_commands.app, name="issuer", rich_help_panel=IDENTITY)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets it in another spelling, and not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except InvalidInput as error:
        sys.exit(fail(error.problem, error.sources))
    except KapiError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output is gone; what is left to flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
    except Exception as error:  # the last line of defence: a person gets a sentence
        if isinstance(error, OSError) and error.errno in FULL:
            sys.exit(fail(StorageFull(str(error.filename or ""))))
        if os.environ.get("KAPI_DEBUG"):
            traceback.print_exc()
        say(
            f"error: unexpected {type(error).__name__}: {error}\nhint: this is a fault in kapi; KAPI_DEBUG=1 shows where."
        )
        sys.exit(Exit.FAILED)


if __name__ == "__main__":
    main()
