"""Commands about tokens: `kapi token`, `kapi explain`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.commands.identity.testing import Issuer, json_or_text, path_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, put, say, show, usage

Scope = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", help="A scope to ask for; may be repeated.", show_default=False
    ),
]
ClientId = Annotated[
    str | None,
    typer.Option("--client", help="Id of the client to use.", show_default=False),
]
User = Annotated[
    str, typer.Option("--user", help="User name of a person.", show_default=False)
]
Organization = Annotated[
    str, typer.Option("--organization", help="The organization.", show_default=False)
]
Audience = Annotated[
    list[str] | None,
    typer.Option("--audience", help="aud; may be repeated.", show_default=False),
]
Claims = Annotated[
    list[str] | None,
    typer.Option("--claim", metavar="NAME=VALUE", help="A claim.", show_default=False),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header", metavar="NAME=VALUE", help="A header.", show_default=False
    ),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe", help="What is wrong with it; may be repeated.", show_default=False
    ),
]
Expired = Annotated[bool, typer.Option("--expired", help="As --recipe expired.")]
Key = Annotated[
    str,
    typer.Option(
        "--key", help="own, other, none, hs256:SECRET, or a PEM.", show_default=False
    ),
]
Payload = Annotated[
    str | None,
    typer.Option(
        "--payload", help="The payload as it is, also no JSON.", show_default=False
    ),
]
Lifetime = Annotated[
    int, typer.Option("--lifetime", help="Seconds.", show_default=False)
]


def token(
    scope: Scope = None,
    client: ClientId = None,
    user: User = "",
    organization: Organization = "",
    audience: Audience = None,
    claim: Claims = None,
    header: Headers = None,
    recipe: Recipes = None,
    expired: Expired = False,
    payload: Payload = None,
    key: Key = "",
    lifetime: Lifetime = 0,
    issuer: Issuer = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Get an access token, or mint one with other options than --scope and --client.

    Examples:
      TOKEN=$(kapi token --scope apk:api_create)
      kapi token --user org1user --organization org1 --claim tier=gold --expired
      kapi token --recipe hs256-public-key
    """
    wish: dict[str, Any] = {
        "user": user,
        "organization": organization,
        "audience": audience,
        "key": key,
    }
    wish |= {"claims": _pairs(claim), "header": _pairs(header), "lifetime": lifetime}
    wish["payload"] = payload
    wish["recipe"] = [*(recipe or ()), *["expired"] * expired]
    caller = Client(settings_of(data_dir, config), client)
    scopes = tuple(part for item in scope or () for part in item.split())
    if issuer or any(wish.values()):
        wish |= {"client": client, "scope": " ".join(scopes)}
        put(_minted(caller, issuer, wish))
    else:
        put(caller.token(scopes))


def _minted(caller: Client, issuer: str, wish: Mapping[str, Any]) -> str:
    chosen = {}
    for name, value in wish.items():
        if value:
            chosen[name] = value
    return str(caller.power("POST", f"{path_of(issuer)}/mint", chosen)["token"])


def explain(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="The token; - reads it.")
    ],
    issuer: Issuer = "",
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Say what a token is, and each check of a verifier. Exit code 1 if the issuer's refuses it.

    For each deployed API, it says whether the API would let the token in, and if not, why.

    Examples:
      kapi explain "$TOKEN"
    """
    text = typer.get_text_stream("stdin").read().strip() if token == "-" else token  # noqa: S105
    caller = Client(settings_of(data_dir, config))
    value = caller.power("POST", f"{path_of(issuer)}/explain", {"token": text})
    rows = [
        {"check": "", "result": "", "detail": "", "hint": "", **row}
        for row in value["checks"]
    ]
    show(value, output, rows)
    if output is Format.TABLE:
        word = "accepted" if value["accepted"] else "refused"
        say(f"{value['kind']}: {word}")
        _say_apis(value.get("apis", []))
    if not value["accepted"]:
        raise SystemExit(Exit.FAILED)


def _say_apis(apis: Iterable[Mapping[str, Any]]) -> None:
    """One line for each deployed API, and one for each operation that refuses."""
    for api in apis:
        word = "lets it in" if api["lets_in"] else "refuses it"
        put(f"{api['api']} {api['version']} ({api['organization']}): {word}")
        for item in api["operations"]:
            if item["why"]:
                put(
                    f"  {item['result']:<8} {item['verb']} {item['target']}: {item['why']}"
                )


def _pairs(texts: Iterable[str] | None) -> dict[str, Any]:
    """NAME=VALUE texts as members; a value that is JSON is that value, `null` removes."""
    made = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            usage(
                f"{text!r} is not NAME=VALUE",
                "Write --claim tier=gold, or --claim exp=null.",
            )
        made[name] = json_or_text(value)
    return made
