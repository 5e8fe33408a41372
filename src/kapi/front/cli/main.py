"""The entry point of `kapi`: the list of commands. Errors become text and exit codes here only."""

from __future__ import annotations

import io
import os
import sys
import traceback

import typer

from kapi.errors import FULL, KapiError, StorageFull
from kapi.front.cli.commands import (
    api_keys,
    apis,
    applications,
    clients,
    config,
    issuers,
    keys,
    platform,
    secrets,
    users,
)
from kapi.front.cli.output import Exit, InvalidInput, fail, say

_HELP = """kapi: an API platform. `kapi up` starts an identity provider, system APIs and a gateway.

They listen on one https port, 9095 by default.

[bold]First steps[/bold]

  kapi up                                      start the platform (Ctrl-C stops it)
  kapi deploy petstore.apk-conf openapi.yaml   deploy an API
  kapi token                                   a token to call it with
"""
_EPILOG = (
    "Exit codes: 0 done · 1 failed · 2 usage · 3 invalid input · 4 unauthenticated or forbidden ·"
    " 5 not found · 6 refused by the gateway · 7 this machine cannot, or kapi is not running"
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
COMMANDS = (
    (RUN, "up", platform.up),
    (RUN, "down", platform.down),
    (RUN, "status", platform.status),
    (APIS, "generate", apis.generate),
    (APIS, "validate", apis.validate),
    (APIS, "deploy", apis.deploy),
    (APIS, "apis", apis.apis),
    (APIS, "undeploy", apis.undeploy),
    (APIS, "export", apis.export),
    (APIS, "schema", apis.schema),
    (IDENTITY, "token", apis.token),
    (OPERATE, "ca", platform.ca),
    (OPERATE, "doctor", platform.doctor),
    (OPERATE, "config", config.config),
    (OPERATE, "version", platform.version),
)
GROUPS = (
    (IDENTITY, "api-key", api_keys.app),
    (APIS, "secret", secrets.app),
    (APIS, "app", applications.app),
    (APIS, "subscription", applications.subscription),
    (IDENTITY, "key", keys.app),
    (IDENTITY, "user", users.app),
    (IDENTITY, "client", clients.app),
    (IDENTITY, "issuer", issuers.app),
)
for panel, name, command in COMMANDS:
    app.command(name, rich_help_panel=panel)(command)
for panel, name, group in GROUPS:
    app.add_typer(group, name=name, rich_help_panel=panel)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show is written as an escape, not an error.
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
        # The reader of our output has closed it; the final flush must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
    except Exception as error:  # a fault in kapi: a sentence, not a traceback
        if isinstance(error, OSError) and error.errno in FULL:
            sys.exit(fail(StorageFull(str(error.filename or ""))))
        if os.environ.get("KAPI_DEBUG"):
            traceback.print_exc()
        say(
            f"error: unexpected {type(error).__name__}: {error}\n"
            "hint: this is a fault in kapi; KAPI_DEBUG=1 shows where."
        )
        sys.exit(Exit.FAILED)


if __name__ == "__main__":
    main()
