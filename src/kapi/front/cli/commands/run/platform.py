"""Commands about the platform itself: `kapi up`, `down`, `status`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.errors import KapiError, Problem
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, say, show

if TYPE_CHECKING:
    from kapi.front.cli.client import Client
    from kapi.settings import Settings


Listen = Annotated[
    str | None,
    typer.Option("--listen", help="Address to listen on.", show_default="127.0.0.1"),
]
Port = Annotated[
    int | None,
    typer.Option("--port", help="https port; 0: a free one.", show_default="9095"),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Processes that sign tokens.", show_default="1"),
]
Issuer = Annotated[
    str | None,
    typer.Option(
        "--issuer",
        help="Issuer of the inbuilt provider.",
        show_default="https://idp.am.wso2.com/token",
    ),
]
EnvoyBinary = Annotated[
    str | None,
    typer.Option(
        "--envoy", help="An Envoy binary; else the installed one.", show_default=False
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="postgresql://USER@HOST:PORT/DATABASE; else a file in the data directory.",
        show_default=False,
    ),
]
NonProductionOnNetwork = Annotated[
    bool,
    typer.Option(
        "--non-production-on-network",
        help="Allow the published client on a network address.",
    ),
]
Testing = Annotated[
    bool,
    typer.Option(
        "--testing", help="Mint any token, move the clock, inject faults: tests."
    ),
]
Detach = Annotated[
    bool,
    typer.Option("--detach", help="Return when it is ready; `kapi down` stops it."),
]
Ephemeral = Annotated[
    bool,
    typer.Option(
        "--ephemeral",
        help="A data directory of its own, deleted at the end; one line of JSON when it is ready.",
    ),
]


def up(
    data_dir: DataDir = None,
    config: Config = None,
    listen: Listen = None,
    port: Port = None,
    workers: Workers = None,
    issuer: Issuer = None,
    envoy: EnvoyBinary = None,
    database: DatabaseUrl = None,
    non_production_on_network: NonProductionOnNetwork = False,
    testing: Testing = False,
    detach: Detach = False,
    ephemeral: Ephemeral = False,
) -> None:
    """Start the identity provider, the system APIs and the gateway. Ctrl-C stops them.

    Examples:
      kapi up
      kapi up --port 9443 --data-dir ./data --detach
      kapi up --port 0 --ephemeral --testing
    """
    from kapi.front.cli.running.up import UpOptions
    from kapi.front.cli.running.up import up as run

    run(
        UpOptions(
            data_dir=data_dir,
            config=config,
            listen=listen,
            port=port,
            workers=workers,
            issuer=issuer,
            envoy=envoy,
            database=database,
            non_production_on_network=non_production_on_network,
            testing=testing,
            detach=detach,
            ephemeral=ephemeral,
        )
    )


def down(data_dir: DataDir = None, config: Config = None) -> None:
    """Stop the platform that runs in this data directory, after the requests under way.

    Examples:
      kapi down
    """
    from kapi.front.cli.running.stopping import stop

    settings = settings_of(data_dir, config)
    say("stopped" if stop(settings) else f"nothing runs in {settings.data_dir}")


def reload(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """Let the running platform read its settings again, without a stop.

    With a mistake in them, nothing changes. What needs a restart is named.

    Examples:
      kapi reload
    """
    from kapi.front.cli.running.reloading import reload as reloaded
    from kapi.front.cli.terminal.progress import progress

    with progress("the platform reads its settings"):
        answer = reloaded(settings_of(data_dir, config))
    names = {"taken_up": "taken up", "left": "needs a restart"}
    rows = [
        {**_row(item), "": word}
        for kind, word in names.items()
        for item in answer[kind]
    ]
    value = {"takenUp": answer["taken_up"], "needsRestart": answer["left"]}
    show({**value, "files": answer["files"]}, output, rows, fit=("before", "now"))
    for file in answer["files"]:
        say(f"{file} was read again")
    if answer["left"]:
        say("what needs a restart is as before: kapi down, then kapi up")
    elif not rows and not answer["files"]:
        say("no setting has changed; the log files are opened again")


def _row(item: dict[str, Any]) -> dict[str, Any]:
    before, now = _cell(item["before"]), _cell(item["after"])
    return {"setting": item["name"], "before": before, "now": now}


def _cell(value: Any) -> Any:
    """A value as it is written in kapi.toml, if it is not a text."""
    if isinstance(value, bool):
        return str(value).lower()
    return value


def _rows(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each process."""
    rows = [{"process": "supervisor", "pid": state["pid"], "restarts": 0}]
    rows += [{"process": name, **child} for name, child in state["children"].items()]
    return rows


def status(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show processes, restarts, health, number of APIs. Exit code 7 if nothing runs.

    Examples:
      kapi status -o json
    """
    from kapi.front.cli.client import Client
    from kapi.front.cli.health import checks_of
    from kapi.front.cli.server.local import LocalServer
    from kapi.run_files import as_running, read_state

    settings = as_running(settings_of(data_dir, config))
    state = read_state(settings.data_dir)
    if state is None:
        message = f"nothing runs in {settings.data_dir}"
        raise KapiError("not-running", message, hint="Start it with `kapi up`.")
    client = Client(settings, server=LocalServer(settings))
    checks = checks_of(settings)
    healthy = all(item["ok"] or not item["required"] for item in checks)
    ready = bool(state.get("ready")) and healthy and client.ready()
    # Without the store, a token cannot be checked.
    count = None
    if all(item["ok"] for item in checks):
        count = _deployed_count(settings, client)
    rows = _rows(state)
    value = {
        "ready": ready,
        "address": f"https://{settings.gateway.listen}:{settings.gateway.port}",
        "data_dir": str(settings.data_dir),
        "apis": count,
        "processes": rows,
        "checks": checks,
    }
    show(value, output, rows)
    if output is Format.TABLE:
        _say_state(value)
    if not ready:
        raise SystemExit(Exit.ENVIRONMENT)


def _say_state(value: dict[str, Any]) -> None:
    """The faults, and in one line whether it is ready, where, and what is deployed."""
    for item in value["checks"]:
        if not item["ok"]:
            say(f"{item['name']}: {item['fault']}")
    deployed = "" if value["apis"] is None else f", {value['apis']} APIs deployed"
    word = "ready" if value["ready"] else "not ready"
    say(f"{word} on {value['address']}{deployed}; data in {value['data_dir']}")


def _deployed_count(settings: Settings, client: Client) -> int | None:
    """The number of deployed APIs; None without a token to ask with.

    Without an inbuilt provider, or a client for this, the only token is that of KAPI_TOKEN.
    """
    if not settings.identity.enabled and not os.environ.get("KAPI_TOKEN"):
        return None
    try:
        return len(client.apis())
    except Problem as error:
        if error.status in {401, 403}:
            return None
        raise
