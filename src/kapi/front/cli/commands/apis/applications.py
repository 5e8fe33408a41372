"""Commands about applications and their subscriptions: `kapi app …`, `kapi subscription …`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from kapi.front.cli.client import DEPLOY_SCOPE, Client, say_warnings
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.rows import subscription_row
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, say, show
from kapi.front.cli.root import subcommands

app = subcommands()
subscription = subcommands()

Name = Annotated[str, typer.Argument(metavar="APPLICATION", help="Its name or id.")]
Tier = Annotated[
    str,
    typer.Option(
        "--tier",
        help=r"One of [\[subscriptions.tiers]] in kapi.toml.",
        show_default=False,
    ),
]
_APPLICATIONS, _SUBSCRIPTIONS = "/api/applications/1.2.0", "/api/subscriptions/1.2.0"


def _call(
    data_dir: Any,
    config: Any,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
) -> Any:
    client = Client(settings_of(data_dir, config))
    return client.call(method, path, body, scope=DEPLOY_SCOPE)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    tier: Tier = "",
    own_id: Annotated[
        str, typer.Option("--id", help="Its id; else one is made.", show_default=False)
    ] = "",
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Create an application.

    Examples:
      kapi app create shop --tier Gold
      kapi app create shop --id shop-of-the-north
    """
    body = {"name": name, "tier": tier, "id": own_id}
    made = _call(data_dir, config, "POST", _APPLICATIONS, body)
    show(made, output, [{"id": made["id"], "name": made["name"], "tier": made["tier"]}])


@app.command("list")
def list_(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List applications, their keys and how many subscriptions they have.

    Examples:
      kapi app list -o json
    """
    show_all(kind_of("application"), Client(settings_of(data_dir, config)), output)


@app.command("update")
def update(
    application: Name,
    name: Annotated[
        str | None, typer.Option("--name", help="Another name.", show_default=False)
    ] = None,
    tier: Annotated[
        str | None,
        typer.Option("--tier", help='Another tier; "" for none.', show_default=False),
    ] = None,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Change the name or the tier of an application.

    Examples:
      kapi app update shop --tier Silver
    """
    body = {"name": name, "tier": tier}
    sent = {member: value for member, value in body.items() if value is not None}
    path = f"{_APPLICATIONS}/{quote(application, safe='')}"
    made = _call(data_dir, config, "PATCH", path, sent)
    show(made, output, [{"id": made["id"], "name": made["name"], "tier": made["tier"]}])


@app.command("remove")
def remove(application: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove an application with its keys and subscriptions.

    Examples:
      kapi app remove shop
    """
    _call(data_dir, config, "DELETE", f"{_APPLICATIONS}/{quote(application, safe='')}")
    say(f"removed {application}")


@app.command("add-key")
def add_key(
    application: Name,
    consumer_key: Annotated[
        str,
        typer.Argument(
            metavar="CONSUMER_KEY", help="The client id that its tokens carry."
        ),
    ],
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="For the sandbox; otherwise for production."),
    ] = False,
    environment: Annotated[
        str,
        typer.Option(
            "--environment",
            help="Only for APIs of this environment.",
            show_default=False,
        ),
    ] = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let tokens of a client count as the application's.

    Examples:
      kapi app add-key shop 45f1c5c8-a92e-11ed-afa1-0242ac120002
    """
    body = {
        "consumerKey": consumer_key,
        "type": "SANDBOX" if sandbox else "PRODUCTION",
        "environment": environment,
    }
    path = f"{_APPLICATIONS}/{quote(application, safe='')}/keys"
    _call(data_dir, config, "POST", path, body)
    say(f"{application} has the key {consumer_key}")


@app.command("remove-key")
def remove_key(
    application: Name,
    consumer_key: Annotated[str, typer.Argument(metavar="CONSUMER_KEY")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Take a key away.

    Examples:
      kapi app remove-key shop 45f1c5c8-a92e-11ed-afa1-0242ac120002
    """
    _call(
        data_dir,
        config,
        "DELETE",
        f"{_APPLICATIONS}/{quote(application, safe='')}/keys/{quote(consumer_key, safe='')}",
    )
    say(f"removed {consumer_key} of {application}")


@subscription.command("add")
def subscribe(
    application: Name,
    api: Annotated[
        str, typer.Argument(metavar="API", help="The name in the API's conf.")
    ],
    version: Annotated[
        str,
        typer.Option(
            "--version",
            help="A version, or a pattern (RE2) that the whole version matches.",
        ),
    ] = ".*",
    tier: Tier = "",
    status: Annotated[
        str,
        typer.Option(
            "--status",
            help="ACTIVE, BLOCKED, PROD_ONLY_BLOCKED, ON_HOLD, REJECTED or INACTIVE.",
        ),
    ] = "ACTIVE",
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    r"""Let an application call an API.

    Examples:
      kapi subscription add shop Petstore --version '1\..*' --tier Gold
    """
    body = {
        "application": application,
        "api": {"name": api, "version": version},
        "tier": tier,
        "status": status,
    }
    made = _call(data_dir, config, "POST", _SUBSCRIPTIONS, body)
    say_warnings(made)
    show(made, output, [subscription_row(made)])


@subscription.command("list")
def subscriptions(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List subscriptions.

    Examples:
      kapi subscription list
    """
    show_all(kind_of("subscription"), Client(settings_of(data_dir, config)), output)


@subscription.command("change")
def change(
    subscription_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `kapi subscription list` shows it.")
    ],
    status: Annotated[
        str | None,
        typer.Option("--status", help="ACTIVE, BLOCKED, …", show_default=False),
    ] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", help="Another tier.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Block a subscription, make it active again, or change its tier.

    Examples:
      kapi subscription change 0d9c2f4e-… --status BLOCKED
    """
    body = {}
    for name, value in (("status", status), ("tier", tier)):
        if value is not None:
            body[name] = value
    made = _call(
        data_dir,
        config,
        "PATCH",
        f"{_SUBSCRIPTIONS}/{quote(subscription_id, safe='')}",
        body,
    )
    say(
        f"{subscription_id} is {made['status']}"
        + (f", tier {made['tier']}" if made["tier"] else "")
    )


@subscription.command("remove")
def unsubscribe(
    subscription_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `kapi subscription list` shows it.")
    ],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Remove a subscription.

    Examples:
      kapi subscription remove 0d9c2f4e-…
    """
    _call(
        data_dir,
        config,
        "DELETE",
        f"{_SUBSCRIPTIONS}/{quote(subscription_id, safe='')}",
    )
    say(f"removed {subscription_id}")
