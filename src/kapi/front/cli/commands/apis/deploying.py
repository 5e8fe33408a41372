"""Commands about deployed APIs: `kapi deploy`, `apis`, `undeploy`."""

from __future__ import annotations

import json
import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kapi.apis.model.choices import Choices
from kapi.errors import Diagnostic, Invalid, KapiError, Problem
from kapi.front.cli.client import Client
from kapi.front.cli.commands.apis.waiting import Wait, WaitFor, wait_for
from kapi.front.cli.compiling import Definition
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import (
    ApiName,
    ApiVersion,
    Config,
    DataDir,
    Output,
    SandboxEndpoint,
    read_input,
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
    from kapi.front.cli.uploading import Given, Upload
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
_NAMED: Final = re.compile(r"^(name|version): (.+)$", re.MULTILINE)
"""Lines of a conf as it is answered: a member of the top level has one."""
_LEFT_OUT: Final = "kapi-warnings-left-out"
_REFUSED: Final = frozenset({400, 406, 413})
"""Answers to a document that may have mistakes."""


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
    from kapi.front.cli.uploading import Given

    settings = settings_of(data_dir, config)
    said = (base_path, endpoint, sandbox_endpoint, "", name, version)
    choices = Choices(*(text or "" for text in said))
    in_cluster = is_kubernetes(target, (kubeconfig, context, dry_run, diff, force))
    given = Given(conf, read_input(conf), definition, choices, settings)
    if in_cluster:
        upload = given.upload()
        cluster = cluster_target(settings, kubeconfig, context, force=force)
        deploy_to(cluster, upload, settings, dry_run=dry_run, diff=diff)
    else:
        _deploy_to_platform(given, settings, output, wait)


def _deploy_to_platform(
    given: Given, settings: Settings, output: Format, wait: Wait
) -> None:
    client = Client(settings)
    begun = time.monotonic()
    answer = _document_deployed(client, given) or _deployed(client, given.upload())
    took = time.monotonic() - begun
    given.tell(_warnings_in(answer), all_fit=_LEFT_OUT not in answer.headers)
    value = _show_deployed(answer, output)
    _say_deployed(value, client, answer, took)
    wait_for(wait, client, answer)


def _document_deployed(client: Client, given: Given) -> Answer | None:
    """The answer to an OpenAPI document alone; None if a conf must be sent with it.

    That is so for any other file, for a document with mistakes, whose places are found when the
    conf is generated here, and for a platform that generates none. Raises KapiError.
    """
    if not given.is_document_alone:
        return None
    try:
        with progress("deploying"):
            return client.deploy_document(given.content, given.choices)
    except KapiError as error:
        if not isinstance(error, Problem) or error.status not in _REFUSED:
            given.upload()  # Raises for its mistakes, which are to be told first.
            raise
        return None


def _deployed(client: Client, upload: Upload) -> Answer:
    try:
        with progress("deploying"):
            return client.deploy(upload.conf, upload.definition)
    except Invalid as error:
        raise upload.located(error) from error


def _warnings_in(answer: Answer) -> list[Diagnostic]:
    """The warnings about what was deployed, as far as they fit into the header."""
    items = json.loads(answer.headers.get("kapi-warnings", "[]"))
    return [Diagnostic(**item) for item in items]


def _show_deployed(answer: Answer, output: Format) -> dict[str, Any]:
    """Print the conf of a deployed API, and return at least its name and version."""
    text = answer.body.decode()
    if output is Format.YAML:
        put(text)
        return dict(map(_member, islice(_NAMED.finditer(text), 2)))
    import yaml

    # An eighth of the time, where it is.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    value: dict[str, Any] = yaml.load(text, loader)  # noqa: S506 - a safe loader
    columns = ("id", "name", "version", "basePath")
    show(value, output, [{key: value[key] for key in columns}])
    return value


def _member(line: re.Match[str]) -> tuple[str, str]:
    """The key and the text of a line of YAML: in JSON, but for rare characters."""
    key, text = line.groups()
    try:
        return key, str(json.loads(text))
    except ValueError:
        return key, text.strip('"')


def _say_deployed(
    value: dict[str, Any],
    client: Client,
    answer: Answer,
    took: float,
) -> None:
    """Print where a deployed API answers, and where it no longer does. `took` is in seconds."""
    urls = answer.headers.get("kapi-urls", "").split()
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
