"""Commands about trusted issuers: `kapi issuer add|list|show|test|remove`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kapi.errors import KapiError
from kapi.front.cli.client import Client
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, put, say, show, usage

PATH = "/api/issuers"
SCOPE = "kapi:issuers"
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The name that `kapi issuer list` shows.")
]


def _parameter(help_text: str) -> Any:
    return typer.Option(help=help_text, show_default=False, rich_help_panel="What a preset needs")


def _many(name: str, help_text: str) -> Any:
    return typer.Option(name, help=f"{help_text} May be repeated.", show_default=False)


def add(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="PRESET",
            help="auth0, asgardeo, okta, entra, keycloak, …, or oidc for any other.",
        ),
    ],
    issuer: Annotated[
        str | None,
        typer.Argument(
            metavar="[ISSUER]", help="For oidc: `iss` of its tokens.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="A name for it; else the preset's.", show_default=False)
    ] = None,
    audience: Annotated[list[str] | None, _many("--audience", "Accepted `aud`.")] = None,
    domain: Annotated[str | None, _parameter("Domain of the tenant.")] = None,
    organization: Annotated[str | None, _parameter("Asgardeo: the organization there.")] = None,
    tenant: Annotated[str | None, _parameter("Entra: the tenant id; WSO2 IS: its path.")] = None,
    url: Annotated[
        str | None, _parameter("Keycloak: base address; Dex, mock-oauth2-server: the issuer.")
    ] = None,
    realm: Annotated[str | None, _parameter("Keycloak: the realm.")] = None,
    server: Annotated[str | None, _parameter("Okta: id of the authorization server.")] = None,
    region: Annotated[str | None, _parameter("Cognito: the region.")] = None,
    pool: Annotated[str | None, _parameter("Cognito: id of the user pool.")] = None,
    environment: Annotated[str | None, _parameter("PingOne: the environment id.")] = None,
    tld: Annotated[str | None, _parameter("PingOne: com, eu, ca, asia, com.au or sg.")] = None,
    project: Annotated[str | None, _parameter("Firebase, Supabase: the project.")] = None,
    for_organization: Annotated[
        str,
        typer.Option(
            "--for", help="Whose APIs accept its tokens: an organization, apk-system, or *."
        ),
    ] = "*",
    in_environment: Annotated[
        list[str] | None, _many("--in", "Environment whose APIs accept its tokens.")
    ] = None,
    organization_name: Annotated[
        list[str] | None,
        _many("--organization-name", "VALUE=NAME: what the token's organization is called here."),
    ] = None,
    jwks: Annotated[
        str | None,
        typer.Option(help="JWKS URL; else the discovery document's.", show_default=False),
    ] = None,
    discovery: Annotated[
        str | None,
        typer.Option(help="Discovery document, if not below the issuer.", show_default=False),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(help="PEM file: who signs the issuer's TLS certificate.", show_default=False),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="PEM file with the signing certificate, instead of a JWKS.", show_default=False
        ),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(help="PEM file with the public key, instead of a JWKS.", show_default=False),
    ] = None,
    algorithm: Annotated[
        list[str] | None, _many("--algorithm", "Accepted signature algorithm.")
    ] = None,
    typ: Annotated[list[str] | None, _many("--typ", "Accepted header `typ`.")] = None,
    clock_skew: Annotated[
        int | None, typer.Option(help="Seconds its clock may differ.", show_default="5")
    ] = None,
    client_claim: Annotated[
        str | None, typer.Option(help="Claim with the client.", show_default=False)
    ] = None,
    scopes_claim: Annotated[list[str] | None, _many("--scopes-claim", "Claim with scopes.")] = None,
    claim: Annotated[
        list[str] | None,
        _many("--claim", "REMOTE=LOCAL: forward this claim to backends as this header."),
    ] = None,
    require: Annotated[
        list[str] | None, _many("--require", "CLAIM or CLAIM=VALUE that a token must have.")
    ] = None,
    id_tokens: Annotated[
        bool,
        typer.Option(
            "--id-tokens",
            help="Accept its ID tokens too: for a provider that gives APIs nothing else.",
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Declare it anew when there is one with this name.")
    ] = False,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Trust the tokens of another identity provider, at once and without a restart.

    [bold]Examples[/bold]

      kapi issuer add auth0 --domain acme.eu.auth0.com --audience https://api.acme.example

      kapi issuer add asgardeo --organization acme

      kapi issuer add oidc https://login.acme.example --audience orders
    """
    parameters = {
        "domain": domain,
        "organization": organization,
        "tenant": tenant,
        "url": url,
        "realm": realm,
        "server": server,
    }
    parameters |= {
        "region": region,
        "pool": pool,
        "environment": environment,
        "tld": tld,
        "project": project,
    }
    called = name or preset
    body = {
        "name": called,
        "preset": preset,
        "issuer": issuer,
        "parameters": {key: value for key, value in parameters.items() if value is not None},
        "organization": for_organization,
        "organizations": _pairs(organization_name, "--organization-name"),
        "environments": in_environment,
        "jwksUri": jwks,
        "discovery": discovery,
        "ca": _content(ca),
        "certificate": _content(certificate),
        "publicKey": _content(public_key),
        "audiences": audience,
        "algorithms": algorithm,
        "types": typ,
        "clockSkew": clock_skew,
        "consumerKeyClaim": client_claim,
        "scopesClaims": scopes_claim,
        "claimMappings": _pairs(claim, "--claim"),
        "requiredClaims": _pairs(require, "--require", value_needed=False),
        "idTokens": True if id_tokens else None,
    }
    given = {key: value for key, value in body.items() if value is not None}
    client = Client(settings_of(data_dir, config))
    path = f"{PATH}/{quote(called, safe='')}" if replace else PATH
    if replace:
        del given["name"]
    answer = client.call("PUT" if replace else "POST", path, given, scope=SCOPE)
    _say_added(answer)
    show(answer, output, [_row(answer)])


def _say_added(issuer: dict[str, Any]) -> None:
    status = issuer["status"]
    for warning in issuer["warnings"]:
        say(f"warning: {warning}")
    for line in issuer["advice"]:
        say(f"note: {line}")
    if status["error"]:
        say(f"warning: its keys are not there yet: {status['error']}")
        say(
            f"hint: kapi issuer test {issuer['name']} says why; they are tried again until they come."
        )
    else:
        count = len(status["keys"])
        say(f"trusted: {issuer['issuer']}, {count} {'key' if count == 1 else 'keys'}")


def _pairs(
    values: list[str] | None, option: str, *, value_needed: bool = True
) -> dict[str, str] | None:
    if values is None:
        return None
    pairs = dict(text.partition("=")[::2] for text in values)
    if value_needed and not all(pairs.values()):
        usage(f"{option} takes NAME=VALUE", f"For example {option} org_id=organization.")
    return pairs


def _content(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KapiError("input", f"cannot read {path}", hint="Name a readable PEM file.") from error


def _row(issuer: dict[str, Any]) -> dict[str, Any]:
    status = issuer["status"]
    return {
        "name": issuer["name"],
        "issuer": issuer["issuer"],
        "for": issuer["organization"],
        "audiences": issuer["audiences"],
        "keys": len(status["keys"]),
        "refused": sum(status["refusals"].values()),
        "state": status["error"] or ("ok" if status["keys"] else "no keys yet"),
    }


def list_issuers(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the issuers that are trusted besides the inbuilt provider.

    [bold]Examples[/bold]

      kapi issuer list -o json
    """
    answer = Client(settings_of(data_dir, config)).call("GET", PATH, scope=SCOPE)
    if not answer["issuers"] and output is Format.TABLE:
        say("no other issuer is trusted; kapi issuer add --help")
    show(answer, output, [_row(item) for item in answer["issuers"]])


def show_issuer(
    name: Name, output: Output = Format.YAML, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show one issuer: its declaration, its keys, how they were fetched, what was refused.

    [bold]Examples[/bold]

      kapi issuer show auth0
    """
    answer = Client(settings_of(data_dir, config)).call(
        "GET", f"{PATH}/{quote(name, safe='')}", scope=SCOPE
    )
    show(answer, output, [_row(answer)])


def try_issuer(
    name: Name,
    token: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOKEN]", help="A token to try, or - for standard input.", show_default=False
        ),
    ] = None,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Walk discovery, TLS, keys, clock, and a token: what works, what does not, and why. Exit code 1 when something does not.

    [bold]Examples[/bold]

      kapi issuer test auth0

      kapi issuer test auth0 - < token.txt
    """
    if token == "-":  # noqa: S105 - standard input
        token = sys.stdin.read().strip()
    body = {"token": token} if token else {}
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

    [bold]Examples[/bold]

      kapi issuer remove auth0
    """
    Client(settings_of(data_dir, config)).call(
        "DELETE", f"{PATH}/{quote(name, safe='')}", scope=SCOPE
    )
    say(f"{name} is trusted no longer")


app = typer.Typer(
    help="Trust the tokens of other identity providers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for _name, _command in (
    ("add", add),
    ("list", list_issuers),
    ("show", show_issuer),
    ("test", try_issuer),
    ("remove", remove),
):
    app.command(_name)(_command)

__all__ = ["app"]
