"""Commands about the platform itself: up, down, status, ca, doctor, version."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi import __version__
from kapi.errors import KapiError, Problem
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, put, say, show, with_place

if TYPE_CHECKING:
    from kapi.front.cli.client import Client
    from kapi.settings import Settings


Listen = Annotated[
    str | None, typer.Option("--listen", help="Address to listen on.", show_default="127.0.0.1")
]
Port = Annotated[
    int | None, typer.Option("--port", help="https port; 0: a free one.", show_default="9095")
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Processes that sign tokens.", show_default="1")
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
    typer.Option("--envoy", help="An Envoy binary; else the installed one.", show_default=False),
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
        "--non-production-on-network", help="Allow the published client on a network address."
    ),
]
Testing = Annotated[
    bool, typer.Option("--testing", help="Mint any token, move the clock, inject faults: tests.")
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Return when it is ready; `kapi down` stops it.")
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
    from kapi.front.cli.running.ephemeral import run_ephemeral
    from kapi.front.cli.starting import given, start, use_database, with_port

    flags: dict[str, Any] = {
        "gateway__listen": listen,
        "gateway__port": with_port(port),
        "gateway__envoy": envoy,
        "identity__workers": workers,
        "identity__issuer": issuer,
        "identity__non_production_on_network": non_production_on_network or None,
        "identity__testing": testing or None,
    }
    use_database(database)
    if ephemeral:
        run_ephemeral(config, flags)
    else:
        start(given(data_dir, config, flags), detach=detach)


def down(data_dir: DataDir = None, config: Config = None) -> None:
    """Stop the platform that runs in this data directory, after the requests under way.

    Examples:
      kapi down
    """
    from kapi.front.cli.running.stopping import stop

    settings = settings_of(data_dir, config)
    say("stopped" if stop(settings) else f"nothing runs in {settings.data_dir}")


def status(output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None) -> None:
    """Show processes, restarts, health, number of APIs. Exit code 7 if nothing runs.

    Examples:
      kapi status -o json
    """
    from kapi.front.cli.client import Client
    from kapi.front.cli.health import checks_of
    from kapi.run_files import as_running, read_state

    settings = as_running(settings_of(data_dir, config))
    state = read_state(settings.data_dir)
    if state is None:
        raise KapiError(
            "not-running", f"nothing runs in {settings.data_dir}", hint="Start it with `kapi up`."
        )
    client = Client(settings)
    checks = checks_of(settings)
    healthy = all(item["ok"] or not item["required"] for item in checks)
    ready = bool(state.get("ready")) and healthy and client.ready()
    # Without the store, a token cannot be checked.
    count = _deployed_count(settings, client) if all(item["ok"] for item in checks) else None
    rows = [{"process": "supervisor", "pid": state["pid"], "restarts": 0}]
    rows += [{"process": name, **child} for name, child in state["children"].items()]
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


def ca(data_dir: DataDir = None, config: Config = None) -> None:
    """Print the path of the development CA that signs the gateway's certificate.

    Examples:
      curl --cacert "$(kapi ca)" https://api.am.wso2.com:9095/health
    """
    path = settings_of(data_dir, config).data_dir / "tls" / "ca.pem"
    if not path.exists():
        raise KapiError(
            "not-running",
            f"there is no CA at {path} yet",
            hint="It is made at the first start: kapi up.",
        )
    put(str(path))
    say(
        f'For one command:  curl --cacert "{path}" …\n'
        "For this machine: kapi trust (with sudo for the system's store); kapi trust --remove\n"
        "Trust it on machines for development only."
    )


def doctor(output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None) -> None:
    """Check this machine and the running platform; print repairs. Exit code 7 if a check fails.

    Examples:
      kapi doctor
    """
    from kapi.front.cli.doctor import examine

    findings = examine(settings_of(data_dir, config))
    rows = [
        {
            "check": item.check,
            "result": item.result,
            "detail": item.detail,
            "repair": with_place(item.repair),
        }
        for item in findings
    ]
    show({"checks": rows}, output, rows)
    if any(item.result == "fail" for item in findings):
        raise SystemExit(Exit.ENVIRONMENT)


def version(output: Output = Format.TABLE, config: Config = None) -> None:
    """Show the versions of kapi, Envoy and Python.

    Examples:
      kapi version
    """
    from kapi.front.cli.doctor import envoy_version

    rows = [
        {
            "kapi": __version__,
            "envoy": envoy_version(settings_of(None, config)),
            "python": ".".join(map(str, sys.version_info[:3])),
        }
    ]
    show(rows[0], output, rows)
