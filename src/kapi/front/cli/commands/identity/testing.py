"""Commands of a test: `kapi testing …`, over the provider's host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from kapi.errors import KapiError
from kapi.front.cli.client import Client
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, put, say, show
from kapi.front.cli.root import subcommands

PATH = "/testing"
Issuer = Annotated[
    str,
    typer.Option(
        "--issuer", help="Name of an issuer; else the platform's.", show_default=False
    ),
]


def overview(
    output: Output = Format.JSON, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show the issuers, and all powers over HTTP.

    Examples:
      kapi testing overview
    """
    show(Client(settings_of(data_dir, config)).power("GET", PATH), output)


def clock(
    action: Annotated[
        str,
        typer.Argument(help="show, freeze, resume, travel, travel_to, skew or reset."),
    ] = "show",
    value: Annotated[
        float | None,
        typer.Argument(
            help="Seconds; since 1970 for travel_to and freeze.", show_default=False
        ),
    ] = None,
    issuer: Issuer = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show or change the clock of an issuer.

    Examples:
      kapi testing clock travel 7200
      kapi testing clock freeze
      kapi testing clock reset
    """
    caller, path = Client(settings_of(data_dir, config)), f"{path_of(issuer)}/clock"
    if action in {"show", "reset"}:
        method = "GET" if action == "show" else "DELETE"
        show(caller.power(method, path), Format.JSON)
        return
    wanted: Any = True if value is None else value
    show(caller.power("PUT", path, {action: wanted}), Format.JSON)


def fault(
    kind: Annotated[str, typer.Argument(help="A kind, `list` or `clear`.")],
    value: Annotated[
        str | None,
        typer.Argument(
            help="What the kind needs, as JSON or text.", show_default=False
        ),
    ] = None,
    endpoint: Annotated[str, typer.Option("--endpoint", show_default=False)] = "",
    client: Annotated[str, typer.Option("--client", show_default=False)] = "",
    nth: Annotated[int, typer.Option("--nth", help="Only this call.")] = 0,
    times: Annotated[int, typer.Option("--times", help="At most so often.")] = 0,
    share: Annotated[
        float, typer.Option("--share", help="The part of the calls.")
    ] = 1.0,
    issuer: Issuer = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Plan what goes wrong at an issuer.

    Examples:
      kapi testing fault status 503 --endpoint token --times 1
      kapi testing fault list
      kapi testing fault clear
    """
    caller, path = Client(settings_of(data_dir, config)), f"{path_of(issuer)}/faults"
    if kind in {"list", "clear"}:
        show(caller.power("GET" if kind == "list" else "DELETE", path), Format.JSON)
        return
    wish: dict[str, Any] = {"kind": kind, "endpoint": endpoint, "client": client}
    wish |= {"nth": nth, "times": times, "share": share}
    if value is not None:
        wish["value"] = json_or_text(value)
    show(caller.power("POST", path, wish), Format.JSON)


def journal(
    endpoint: Annotated[str, typer.Option("--endpoint", show_default=False)] = "",
    status: Annotated[int, typer.Option("--status", show_default=False)] = 0,
    clear: Annotated[bool, typer.Option("--clear", help="Empty it.")] = False,
    issuer: Issuer = "",
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show the requests to an issuer and its answers, without secrets.

    Examples:
      kapi testing journal --endpoint token
    """
    caller, path = Client(settings_of(data_dir, config)), f"{path_of(issuer)}/journal"
    if clear:
        caller.power("DELETE", path)
        return
    wanted = {}
    for name, value in (("endpoint", endpoint), ("status", status)):
        if value:
            wanted[name] = value
    entries = caller.power("GET", f"{path}?{urlencode(wanted)}")
    columns = (
        "number",
        "method",
        "path",
        "endpoint",
        "client",
        "auth_method",
        "status",
        "error",
    )
    rows = [{name: entry[name] for name in columns} for entry in entries]
    show(entries, output, rows)


def issuer_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    level: Annotated[
        str, typer.Option("--strictness", help="strict, certified or lenient.")
    ] = "strict",
    url: Annotated[
        str,
        typer.Option(
            "--url", help="Its identifier, if not its address.", show_default=False
        ),
    ] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Delete it.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make an issuer of its own, or delete one.

    Examples:
      kapi testing issuer acme --strictness lenient
    """
    caller = Client(settings_of(data_dir, config))
    if remove:
        caller.power("DELETE", path_of(name))
        return
    wish = {"name": name, "level": level, "url": url}
    show(caller.power("POST", f"{PATH}/issuers", wish), Format.JSON)


def keys(
    action: Annotated[
        str,
        typer.Argument(
            help="list, stage, publish, activate, retire, rotate, emergency or swap."
        ),
    ] = "list",
    kid: Annotated[str, typer.Option("--kid", show_default=False)] = "",
    algorithm: Annotated[str, typer.Option("--algorithm")] = "RS256",
    issuer: Issuer = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Drill the key rotation of an issuer of its own. The platform's own has `kapi key`.

    Examples:
      kapi testing keys rotate --issuer acme
    """
    caller, path = Client(settings_of(data_dir, config)), f"{path_of(issuer)}/keys"
    if action == "list":
        show(caller.power("GET", path), Format.JSON)
        return
    wish = {"action": action, "kid": kid, "algorithm": algorithm}
    show(caller.power("POST", path, wish), Format.JSON)


def reset(issuer: Issuer = "", data_dir: DataDir = None, config: Config = None) -> None:
    """Go back to the seed. The platform's own issuer keeps its store.

    Examples:
      kapi testing reset
    """
    show(
        Client(settings_of(data_dir, config)).power("POST", f"{path_of(issuer)}/reset"),
        Format.JSON,
    )


def seed(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="A YAML file, or -; else it is shown."),
    ] = None,
    issuer: Issuer = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show the seed of an issuer as a file, or use another file and reset the issuer.

    Examples:
      kapi testing seed --issuer shop > seed.yaml
      kapi testing seed seed.yaml --issuer shop
    """
    caller, path = Client(settings_of(data_dir, config)), f"{path_of(issuer)}/seed"
    if file is None:
        put(caller.power_text("GET", path))
        return
    text = typer.get_text_stream("stdin").read() if file == "-" else _read(file)
    caller.power_text("PUT", path, text)
    say("the issuer is as its seed says")


def _read(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "Name a readable YAML file."
        raise KapiError("input", f"cannot read {file}: {error}", hint=hint) from error


def addresses(
    issuer: Issuer = "",
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Fetch the documents of an issuer at each of its addresses. Exit code 1 if they disagree.

    Examples:
      kapi testing addresses --issuer shop
    """
    from kapi.identity.issuers.disagreements import disagreements

    caller = Client(settings_of(data_dir, config))
    path = f"{PATH}/issuers/{quote(issuer or 'default', safe='')}"
    state = caller.power("GET", path)
    found = disagreements(state["issuer"], state["base_urls"])
    show(found, output, [{**item, "keys": len(item["keys"])} for item in found])
    if any(item["problem"] for item in found):
        raise SystemExit(Exit.FAILED)


def path_of(issuer: str) -> str:
    """Where the powers over an issuer are."""
    if issuer:
        return f"{PATH}/issuers/{quote(issuer, safe='')}"
    return PATH


def json_or_text(text: str) -> Any:
    """The value of a text that is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


app = subcommands()
for _name, _command in (
    ("overview", overview),
    ("clock", clock),
    ("fault", fault),
    ("journal", journal),
    ("issuer", issuer_command),
    ("keys", keys),
    ("addresses", addresses),
    ("seed", seed),
    ("reset", reset),
):
    app.command(_name)(_command)
