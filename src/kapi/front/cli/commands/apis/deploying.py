"""Commands about deployed APIs: `kapi deploy`, `apis`, `undeploy`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.errors import Diagnostic, Invalid
from kapi.front.cli.client import Client
from kapi.front.cli.commands.apis.waiting import Wait, WaitFor, wait_for
from kapi.front.cli.compiling import Definition, say_warnings
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import (
    ApiName,
    ApiVersion,
    Config,
    DataDir,
    Output,
    SandboxEndpoint,
    settings_of,
)
from kapi.front.cli.output import Format, put, say, show
from kapi.front.cli.server.base import Answer
from kapi.front.cli.targets import (
    Context,
    DeployTo,
    Diff,
    DryRun,
    Force,
    Kubeconfig,
    cluster_target,
    deploy_to,
    is_kubernetes,
    undeploy_from,
)
from kapi.front.cli.terminal.progress import progress

if TYPE_CHECKING:
    from kapi.front.cli.uploading import Upload
    from kapi.settings import Settings

ConfOrDefinition = Annotated[
    str,
    typer.Argument(
        metavar="CONF|DEFINITION",
        help="An apk-conf, or a definition to generate one from.",
    ),
]
BasePath = Annotated[
    str | None,
    typer.Option(
        "--base-path", help="For a definition alone: the base path.", show_default=False
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint", help="For a definition alone: the backend.", show_default=False
    ),
]


def deploy(
    conf: ConfOrDefinition,
    definition: Definition = None,
    name: ApiName = None,
    version: ApiVersion = None,
    base_path: BasePath = None,
    endpoint: Endpoint = None,
    sandbox_endpoint: SandboxEndpoint = None,
    target: DeployTo = "platform",
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    dry_run: DryRun = False,
    diff: Diff = False,
    force: Force = False,
    wait: WaitFor = Wait.NODE,
    output: Output = Format.YAML,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Deploy an API and wait until the gateway answers for it; prints the conf with its id.

    Examples:
      kapi deploy petstore.apk-conf openapi.yaml
      kapi deploy openapi.yaml --endpoint http://127.0.0.1:8080 --base-path /petstore
      kapi deploy petstore.apk-conf openapi.yaml --target kubernetes
    """
    from kapi.apis.generate import Choices
    from kapi.front.cli.uploading import upload_of

    settings = settings_of(data_dir, config)
    given = (base_path, endpoint, sandbox_endpoint, "", name, version)
    in_cluster = is_kubernetes(target, (kubeconfig, context, dry_run, diff, force))
    upload = upload_of(
        conf, definition, Choices(*(text or "" for text in given)), settings
    )
    if in_cluster:
        cluster = cluster_target(settings, kubeconfig, context, force=force)
        deploy_to(cluster, upload, settings, dry_run=dry_run, diff=diff)
    else:
        _deploy_to_platform(upload, settings, output, wait)


def _deploy_to_platform(
    upload: Upload, settings: Settings, output: Format, wait: Wait
) -> None:
    client = Client(settings)
    begun = time.monotonic()
    try:
        with progress("deploying"):
            answer = client.deploy(upload.conf, upload.definition)
    except Invalid as error:
        raise upload.located(error) from error
    took = time.monotonic() - begun
    say_warnings(_warnings_in(answer))
    value = _show_deployed(answer, output)
    _say_deployed(value, client, answer, took)
    wait_for(wait, client, answer)


def _warnings_in(answer: Answer) -> list[Diagnostic]:
    """The warnings about what was deployed, as far as they fit into the header."""
    items = json.loads(answer.headers.get("kapi-warnings", "[]"))
    return [Diagnostic(**item) for item in items]


def _show_deployed(answer: Answer, output: Format) -> dict[str, Any]:
    """Print the conf of a deployed API, and return it."""
    import yaml

    text = answer.body.decode()
    loader = getattr(
        yaml, "CSafeLoader", yaml.SafeLoader
    )  # An eighth of the time, where it is.
    value: dict[str, Any] = yaml.load(text, loader)  # noqa: S506 - a safe loader
    if output is Format.YAML:
        put(text)
    else:
        show(
            value,
            output,
            [{key: value[key] for key in ("id", "name", "version", "basePath")}],
        )
    return value


def _say_deployed(
    value: dict[str, Any],
    client: Client,
    answer: Answer,
    took: float,
) -> None:
    """Print where a deployed API answers, and where it no longer does. `took` is in seconds."""
    urls: list[str] = next(
        (api["urls"] for api in client.apis() if api["id"] == value["id"]), []
    )
    kind = answer.headers.get("kapi-deployment", "")
    names = f"{value['name']} {value['version']}"
    shown = " ".join(map(client.server.shown, urls))
    say(f"deployed {names} in {took:.2f} s ({kind}) → {shown}")
    for url in answer.headers.get("kapi-gone", "").split():
        say(f"it no longer answers at {client.server.shown(url)}")


def apis(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the deployed APIs.

    Examples:
      kapi apis -o json
    """
    show_all(kind_of("api"), Client(settings_of(data_dir, config)), output)


def undeploy(
    api_id: Annotated[
        str, typer.Argument(metavar="ID", help="The id that `kapi apis` shows.")
    ],
    target: DeployTo = "platform",
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    wait: WaitFor = Wait.NODE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Take a deployed API away; it is gone when the command returns.

    Examples:
      kapi undeploy 547961eeaafed989119c45ffc13f8b87bfda821d
    """
    if is_kubernetes(target, (kubeconfig, context)):
        undeploy_from(
            cluster_target(settings_of(data_dir, config), kubeconfig, context), api_id
        )
        return
    client = Client(settings_of(data_dir, config))
    answer = client.undeploy(api_id)
    say(f"undeployed {api_id}")
    wait_for(wait, client, answer)
