"""`kapi nodes`: the platforms that share the database. `wait_for`: until all have a change."""

from __future__ import annotations

import time
from enum import Enum
from typing import Annotated, Any

import typer

from kapi.errors import KapiError
from kapi.front.cli.client import DEPLOY_SCOPE, Answer, Client
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, say, show

PATH = "/api/nodes"
CHANGE_HEADER = "kapi-change"
_SECONDS = 10.0
_POLL_SECONDS = 0.05


class Wait(Enum):
    """Whose gateway a command waits for."""

    NODE = "node"
    ALL = "all"


WaitFor = Annotated[
    Wait,
    typer.Option("--wait", help="Wait for the node that is asked, or for all (`kapi nodes`)."),
]


def nodes(output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None) -> None:
    """List the nodes that share the database, and the newest change that each has live.

    Examples:
      kapi nodes
    """
    found = Client(settings_of(data_dir, config)).call("GET", PATH, scope=DEPLOY_SCOPE)
    rows = [
        {
            "node": node["name"],
            "version": node["version"],
            "state": _state(node, found["change"]),
            "change": node["change"],
            "seen": f"{node['seenSeconds']} s ago",
        }
        for node in found["nodes"]
    ]
    show(found, output, rows)


def _state(node: dict[str, Any], change: int) -> str:
    if not node["alive"]:
        return "away"
    return "current" if node["change"] >= change else "behind"


def wait_for(wait: Wait, client: Client, answer: Answer) -> None:
    """Wait until all live nodes have the change of an answer, and print which have.

    Raises KapiError if one has not after ten seconds.
    """
    if wait is Wait.NODE:
        return
    change, deadline = int(answer.headers.get(CHANGE_HEADER, "0")), time.monotonic() + _SECONDS
    while True:
        known = client.call("GET", PATH, scope=DEPLOY_SCOPE)["nodes"]
        live = [node for node in known if node["alive"]]
        behind = [node["name"] for node in live if node["change"] < change]
        if not behind or time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    have = [node["name"] for node in known if node["change"] >= change]
    say(f"live on {', '.join(have)}")
    for node in known:
        if not node["alive"]:
            say(f"{node['name']} is away, not seen for {node['seenSeconds']} s")
    if behind:
        raise KapiError(
            "nodes",
            f"not live on {', '.join(behind)}",
            "The change is stored. A node takes it up as soon as it can.",
            "See the log of its control process; `kapi nodes` shows when it has it.",
        )
