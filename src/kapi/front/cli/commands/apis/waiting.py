"""The option `--wait` of deployments: for the node that is asked, or until all nodes have it."""

from __future__ import annotations

import time
from enum import Enum
from typing import Annotated, Final

import typer

from kapi.errors import KapiError
from kapi.front.cli.client import DEPLOY_SCOPE, Client
from kapi.front.cli.output import say
from kapi.front.cli.server.base import Answer

_PATH: Final = "/api/nodes"
_CHANGE_HEADER: Final = "kapi-change"
_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05


class Wait(Enum):
    """Whose gateway a command waits for."""

    NODE = "node"
    ALL = "all"


WaitFor = Annotated[
    Wait,
    typer.Option(
        "--wait", help="Wait for the node that is asked, or for all (`kapi nodes`)."
    ),
]


def wait_for(wait: Wait, client: Client, answer: Answer) -> None:
    """Wait until all live nodes have the change of an answer, and print which have.

    Raises KapiError if one has not after ten seconds.
    """
    if wait is Wait.NODE:
        return
    change, deadline = (
        int(answer.headers.get(_CHANGE_HEADER, "0")),
        time.monotonic() + _SECONDS,
    )
    while True:
        known = client.call("GET", _PATH, scope=DEPLOY_SCOPE)["nodes"]
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
