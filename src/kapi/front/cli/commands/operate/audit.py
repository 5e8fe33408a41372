"""The command `kapi audit`: who did what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.commands.operate.following import Log
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format

Follow = Annotated[
    bool, typer.Option("-f", "--follow", help="Print new entries until Ctrl-C.")
]
EventName = Annotated[
    str | None,
    typer.Option(
        "--event", help="Only this event, or all of a kind: api.deploy, or api."
    ),
]
Failed = Annotated[bool, typer.Option("--failed", help="Only what failed.")]
By = Annotated[
    str | None, typer.Option("--by", help="Only what this subject or client did.")
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=1000, help="How many entries at most.")
]


def audit(
    follow: Follow = False,
    event: EventName = None,
    failed: Failed = False,
    by: By = None,
    limit: Limit = 50,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show the audit log: who deployed, changed, signed in or failed, and from where.

    Examples:
      kapi audit --event api
      kapi audit -f --failed
    """
    client = Client(settings_of(data_dir, config))
    wanted = {
        "limit": limit,
        "event": event,
        "by": by,
        "failed": "true" if failed else "",
    }
    Log("/api/audit", "kapi:audit", "events", "entry", _line).print(
        client, wanted, output, follow=follow
    )


def _line(item: dict[str, Any]) -> str:
    """An entry in one line."""
    who = item.get("subject") or item.get("client") or "-"
    by = (
        f"{who} (client {item['client']})"
        if item.get("client") not in (None, who)
        else who
    )
    parts = [
        item["time"],
        item["event"],
        item["outcome"],
        item.get("target") or "-",
        by,
    ]
    if item.get("address"):
        parts.append(f"from {item['address']}")
    if item.get("token"):
        parts.append(f"token {item['token']}")
    return "  ".join([*parts, *filter(None, [item.get("detail")])])
