"""Commands about calls: `kapi logs` lists them, `kapi why` explains one."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.commands.operate.following import Log
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, put, say, show

PATH, SCOPE = "/api/logs", "kapi:logs"
Follow = Annotated[
    bool, typer.Option("-f", "--follow", help="Print new calls until Ctrl-C.")
]
Refused = Annotated[
    bool, typer.Option("--refused", help="Only calls that were refused or that failed.")
]
Api = Annotated[
    str | None, typer.Option("--api", help="Only calls of the API of this name.")
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=1000, help="How many calls at most.")
]


def logs(
    follow: Follow = False,
    refused: Refused = False,
    api: Api = None,
    limit: Limit = 50,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show calls from the access log: who called what, and why it was refused.

    Examples:
      kapi logs --refused
      kapi logs -f --api PetStore
    """
    client = Client(settings_of(data_dir, config))
    wanted = {"limit": limit, "api": api, "refused": "true" if refused else ""}
    Log(PATH, SCOPE, "calls", "call", _line).print(
        client, wanted, output, follow=follow
    )


def why(
    request_id: Annotated[str, typer.Argument(help="`x-request-id` of the answer.")],
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Explain what happened to a call: the decision, its reason, and the facts behind it.

    Examples:
      kapi why 4483c9ee-7af5-4d4f-9d83-260665fa1043
    """
    client = Client(settings_of(data_dir, config))
    call = client.call("GET", f"{PATH}/{quote(request_id, safe='')}", scope=SCOPE)
    if output is not Format.TABLE:
        show(call, output)
        return
    for sentence in call["explanation"]:
        put(sentence)
    if call.get("decision") == "failed":
        say("hint: kapi doctor checks the backends whose certificate was refused")


def _line(call: dict[str, Any]) -> str:
    """A call in one line; the reason last."""
    milliseconds = int(call.get("microseconds") or 0) / 1000
    who = call.get("consumer") or call.get("subject") or "-"
    parts = (
        str(call.get("time")),
        str(call.get("status")),
        str(call.get("decision")),
        f"{milliseconds:.1f}ms",
        f"{call.get('method')} {call.get('url')}",
        str(who),
        str(call.get("request_id")),
    )
    code, reason = call.get("code"), call.get("reason")
    return "  ".join((*parts, *filter(None, (code, reason))))
