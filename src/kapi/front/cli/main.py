"""The entry point of `kapi`: the list of commands. Errors become text and exit codes here only."""

from __future__ import annotations

import io
import os
import sys
import traceback

from kapi.errors import FULL, KapiError, StorageFull
from kapi.front.cli.output import Exit, InvalidInput, fail, say
from kapi.front.cli.root import Root, Row, root

_HELP = """kapi: an API platform. `kapi up` starts an identity provider, system APIs and a gateway.

They listen on one https port, 9095 by default.

First steps:

  kapi up                                      start the platform (Ctrl-C stops it)
  kapi deploy petstore.apk-conf openapi.yaml   deploy an API
  kapi token                                   a token to call it with
"""
_EPILOG = (
    "Exit codes: 0 done · 1 failed · 2 usage · 3 invalid input · 4 unauthenticated or forbidden ·"
    " 5 not found · 6 refused by the gateway · 7 this machine cannot, or kapi is not running"
)

RUN, APIS, IDENTITY, OPERATE = "Run", "APIs", "Identity", "Operate"
COMMANDS = (
    Row(RUN, "up", "platform", "up"),
    Row(RUN, "down", "platform", "down"),
    Row(RUN, "status", "platform", "status"),
    Row(APIS, "init", "init", "init"),
    Row(APIS, "generate", "apis", "generate"),
    Row(APIS, "validate", "apis", "validate"),
    Row(APIS, "deploy", "apis", "deploy"),
    Row(APIS, "call", "calling", "call"),
    Row(APIS, "apis", "apis", "apis"),
    Row(APIS, "undeploy", "apis", "undeploy"),
    Row(APIS, "export", "export", "export"),
    Row(APIS, "schema", "apis", "schema"),
    Row(
        APIS,
        "secret",
        "secrets",
        "app",
        "Set, list and remove the secrets and certificates that confs name.",
    ),
    Row(
        APIS, "app", "applications", "app", "Applications: who calls APIs, by which consumer keys."
    ),
    Row(APIS, "subscription", "applications", "subscription", "What applications may call."),
    Row(IDENTITY, "token", "testing", "token"),
    Row(IDENTITY, "explain", "testing", "explain"),
    Row(IDENTITY, "testing", "testing", "app", "Clock, faults, journal and issuers of a test."),
    Row(
        IDENTITY,
        "api-key",
        "api_keys",
        "app",
        "Create, list and revoke API keys for deployed APIs.",
    ),
    Row(IDENTITY, "key", "keys", "app", "Signing keys of the inbuilt provider."),
    Row(IDENTITY, "user", "users", "app", "People who can sign in at the inbuilt provider."),
    Row(IDENTITY, "client", "clients", "app", "OAuth clients of the inbuilt provider."),
    Row(IDENTITY, "issuer", "issuers", "app", "Trust the tokens of other identity providers."),
    Row(OPERATE, "logs", "logs", "logs"),
    Row(OPERATE, "why", "logs", "why"),
    Row(OPERATE, "nodes", "nodes", "nodes"),
    Row(OPERATE, "audit", "audit", "audit"),
    Row(OPERATE, "ca", "platform", "ca"),
    Row(OPERATE, "trust", "trust", "trust"),
    Row(OPERATE, "doctor", "platform", "doctor"),
    Row(OPERATE, "config", "config", "config"),
    Row(OPERATE, "store", "store", "app", "Copy the data of a platform to another database."),
    Row(OPERATE, "version", "platform", "version"),
)


def command_line() -> Root:
    """All commands; each is imported when it is asked for."""
    return root(COMMANDS, _HELP, _EPILOG)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show is written as an escape, not an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        command_line()()
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
