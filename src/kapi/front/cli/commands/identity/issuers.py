"""Commands about other issuers: `kapi issuer add|list|show|test|remove|emulate`."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.commands.identity.issuer_options import (
    declared,
    preset_values,
    with_declaration_options,
    with_preset_options,
)
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.rows import issuer_row
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, put, say, show
from kapi.front.cli.root import subcommands

PATH = "/api/issuers"
SCOPE = "kapi:issuers"
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name that `kapi issuer list` shows.")
]


PresetName = Annotated[
    str,
    typer.Argument(
        metavar="PRESET",
        help="auth0, asgardeo, okta, entra, keycloak, …, or oidc for any other.",
    ),
]
IssuerUrl = Annotated[
    str | None,
    typer.Argument(
        metavar="[ISSUER]", help="For oidc: `iss` of its tokens.", show_default=False
    ),
]
NewName = Annotated[
    str | None,
    typer.Option(
        "--name", help="A name for it; by default the preset's.", show_default=False
    ),
]
EmulatedName = Annotated[
    str,
    typer.Argument(metavar="PRESET", help="auth0, asgardeo, okta, entra, keycloak, …"),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace the issuer with this name.")
]


@with_declaration_options(before="replace")
def add(
    preset: PresetName,
    issuer: IssuerUrl = None,
    name: NewName = None,
    replace: Replace = False,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
    **options: Any,
) -> None:
    """Trust the tokens of another identity provider, at once and without a restart.

    Examples:
      kapi issuer add auth0 --domain acme.eu.auth0.com --audience https://api.acme.example
      kapi issuer add asgardeo --organization acme
      kapi issuer add oidc https://login.acme.example --audience orders
    """
    called = name or preset
    body = {"preset": preset, **declared(options)}
    if issuer is not None:
        body["issuer"] = issuer
    client = Client(settings_of(data_dir, config))
    if replace:
        answer = client.call(
            "PUT", f"{PATH}/{quote(called, safe='')}", body, scope=SCOPE
        )
    else:
        answer = client.call("POST", PATH, {"name": called, **body}, scope=SCOPE)
    _say_added(answer)
    show(answer, output, [issuer_row(answer)])


def _say_added(issuer: dict[str, Any]) -> None:
    status = issuer["status"]
    for warning in issuer["warnings"]:
        say(f"warning: {warning}")
    for line in issuer["advice"]:
        say(f"note: {line}")
    if status["error"]:
        say(f"warning: its keys are not there yet: {status['error']}")
        say(
            f"hint: kapi issuer test {issuer['name']} says why;"
            " they are tried again until they come."
        )
    else:
        count = len(status["keys"])
        say(f"trusted: {issuer['issuer']}, {count} {'key' if count == 1 else 'keys'}")


def list_issuers(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the issuers that are trusted besides the inbuilt provider.

    Examples:
      kapi issuer list -o json
    """
    show_all(kind_of("issuer"), Client(settings_of(data_dir, config)), output)


def show_issuer(
    name: Name,
    output: Output = Format.YAML,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show one issuer: its declaration, its keys, how they were fetched, what was refused.

    Examples:
      kapi issuer show auth0
    """
    answer = Client(settings_of(data_dir, config)).call(
        "GET", f"{PATH}/{quote(name, safe='')}", scope=SCOPE
    )
    show(answer, output, [issuer_row(answer)])


def try_issuer(
    name: Name,
    token: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOKEN]",
            help="A token to try, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Check discovery, TLS, keys, clock and a token. Exit code 1 if something does not work.

    Examples:
      kapi issuer test auth0
      kapi issuer test auth0 - < token.txt
    """
    if token == "-":  # noqa: S105 - standard input
        token = sys.stdin.read().strip()
    body = {}
    if token:
        body = {"token": token}
    answer = Client(settings_of(data_dir, config)).call(
        "POST", f"{PATH}/{quote(name, safe='')}/test", body, scope=SCOPE
    )
    marks = {"ok": "ok", "note": "note", "fail": "FAIL"}
    if output is Format.TABLE:
        for step in answer["steps"]:
            put(f"{marks[step['result']]:<5} {step['step']:<13} {step['detail']}")
            if step["hint"]:
                put(f"{'':19} hint: {step['hint']}")
    else:
        show(answer, output)
    if any(step["result"] == "fail" for step in answer["steps"]):
        raise SystemExit(Exit.FAILED)


def remove(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Trust an issuer no longer: its tokens are refused when the command returns.

    Examples:
      kapi issuer remove auth0
    """
    Client(settings_of(data_dir, config)).call(
        "DELETE", f"{PATH}/{quote(name, safe='')}", scope=SCOPE
    )
    say(f"{name} is trusted no longer")


@with_preset_options(before="opaque")
def emulate(
    preset: EmulatedName,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="A name for it; by default the preset's.", show_default=False
        ),
    ] = None,
    opaque: Annotated[
        bool | None,
        typer.Option(
            "--opaque/--jwt",
            help="Form of access tokens; else the provider's.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    **options: Any,
) -> None:
    """Make a test issuer that looks like an identity provider. Needs `kapi up --testing`.

    Its tokens, paths, errors and keys are those of the provider, as far as they are known.

    Examples:
      kapi issuer emulate auth0 --domain acme.eu.auth0.com
      kapi token --issuer auth0 --audience https://api.acme.example --user org1user
    """
    wish: dict[str, Any] = {"emulate": preset, "parameters": preset_values(options)}
    chosen = {"name": name, "opaque": opaque}
    wish |= {key: value for key, value in chosen.items() if value is not None}
    caller = Client(settings_of(data_dir, config))
    show(caller.power("POST", "/testing/issuers", wish), Format.JSON)


app = subcommands()
for _name, _command in (
    ("add", add),
    ("list", list_issuers),
    ("show", show_issuer),
    ("test", try_issuer),
    ("remove", remove),
    ("emulate", emulate),
):
    app.command(_name)(_command)

__all__ = ["app"]
