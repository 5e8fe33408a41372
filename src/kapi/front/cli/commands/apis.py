"""Commands about APIs and tokens: generate, validate, deploy, apis, undeploy, export, token."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.errors import Diagnostic, Invalid
from kapi.front.cli.client import Answer, Client
from kapi.front.cli.commands.nodes import Wait, WaitFor, wait_for
from kapi.front.cli.compiling import ConfFile, Definition, compiled, say_warnings
from kapi.front.cli.options import (
    ApiType,
    Config,
    DataDir,
    Output,
    read_input,
    settings_of,
)
from kapi.front.cli.output import Format, put, put_into, say, show
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

if TYPE_CHECKING:
    from kapi.front.cli.uploading import Upload
    from kapi.settings import Settings

Write = Annotated[
    Path | None,
    typer.Option(
        "--write",
        "--output",
        metavar="FILE",
        help="Write this file instead of standard output.",
        show_default=False,
    ),
]
"""`--output` is its older name, for scripts; everywhere else it chooses the form."""

BasePath = Annotated[
    str | None,
    typer.Option("--base-path", help="For a definition alone: the base path.", show_default=False),
]
Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", help="For a definition alone: the backend.", show_default=False),
]
DefinitionSource = Annotated[
    str,
    typer.Argument(metavar="FILE|URL|-", help="A definition: OpenAPI, GraphQL schema or proto."),
]
ConfOrDefinition = Annotated[
    str,
    typer.Argument(
        metavar="CONF|DEFINITION", help="An apk-conf, or a definition to generate one from."
    ),
]
GeneratedBasePath = Annotated[
    str | None, typer.Option("--base-path", help="The base path.", show_default=False)
]
GeneratedEndpoint = Annotated[
    str | None, typer.Option("--endpoint", help="The backend.", show_default=False)
]
Name = Annotated[
    str | None,
    typer.Option("--name", help="For a definition alone: the name.", show_default=False),
]
Version = Annotated[
    str | None,
    typer.Option("--version", help="For a definition alone: the version.", show_default=False),
]
SandboxEndpoint = Annotated[
    str | None, typer.Option("--sandbox-endpoint", help="The sandbox backend.", show_default=False)
]


def generate(
    source: DefinitionSource,
    api_type: ApiType = "",
    name: Name = None,
    version: Version = None,
    base_path: GeneratedBasePath = None,
    endpoint: GeneratedEndpoint = None,
    sandbox_endpoint: SandboxEndpoint = None,
    write: Write = None,
    config: Config = None,
) -> None:
    """Generate an apk-conf from a definition, without a running platform.

    Examples:
      kapi generate openapi.yaml > petstore.apk-conf
      kapi generate https://example.com/openapi.json --write api.apk-conf
      kapi generate starwars.graphql --name "Star Wars" --endpoint http://127.0.0.1:8080/graphql
    """
    from kapi.apis.generate import Choices
    from kapi.front.cli.generating import Source

    content = definition_at(source, settings_of(None, config))
    url = ""
    if is_url(source):
        url = source
    given = (base_path, endpoint, sandbox_endpoint, url, name, version)
    choices = Choices(*(text or "" for text in given))
    made = Source.of(content, source, api_type.upper(), choices).generated()
    put_into(write, made.conf_text)


def is_url(source: str) -> bool:
    """Whether a definition is named by its address."""
    return source.startswith(("http://", "https://"))


def definition_at(source: str, settings: Settings) -> bytes:
    """The content of a definition, from a file, a URL or standard input (`-`)."""
    from kapi.fetch import fetch
    from kapi.front.cli.generating import refuse_size

    if not is_url(source):
        return refuse_size(read_input(source), source, settings)
    return fetch(
        source,
        max_bytes=settings.apis.max_definition_bytes,
        timeout=settings.apis.fetch_timeout,
        allow_private=True,
    )


def _conf_warnings(conf: bytes, settings: Settings) -> tuple[Diagnostic, ...]:
    """The warnings about a conf that was accepted: the answer to a deployment has none."""
    from kapi.apis.ai_providers import with_own
    from kapi.apis.conf.reading import read
    from kapi.policies import POLICIES

    providers = with_own(settings.gateway.ai_providers)
    return read(conf, POLICIES, ai_providers=providers).warnings


def validate(conf: ConfFile, definition: Definition = None, config: Config = None) -> None:
    """Check a conf and its definition, and print all mistakes. Exit code 3 if there is one.

    Examples:
      kapi validate petstore.apk-conf openapi.yaml
    """
    made, _, _ = compiled(conf, definition, config)
    say(
        f"{conf}: valid; {made.api.name} {made.api.version} would answer below {made.api.base_path}"
    )


def schema(write: Write = None) -> None:
    """Print the JSON Schema of the apk-conf, for completion and hover texts in editors.

    Examples:
      kapi schema --write apk-conf.schema.json
    """
    import json

    from kapi.apis.conf.json_schema import json_schema
    from kapi.policies import POLICIES

    put_into(write, json.dumps(json_schema(POLICIES), indent=2) + "\n")


def deploy(
    conf: ConfOrDefinition,
    definition: Definition = None,
    name: Name = None,
    version: Version = None,
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
    upload = upload_of(conf, definition, Choices(*(text or "" for text in given)), settings)
    if in_cluster:
        cluster = cluster_target(settings, kubeconfig, context, force=force)
        deploy_to(cluster, upload, settings, dry_run=dry_run, diff=diff)
    else:
        _deploy_to_platform(upload, settings, output, wait)


def _deploy_to_platform(upload: Upload, settings: Settings, output: Format, wait: Wait) -> None:
    client = Client(settings)
    begun = time.monotonic()
    try:
        answer = client.deploy(upload.conf, upload.definition)
    except Invalid as error:
        raise upload.located(error) from error
    took = time.monotonic() - begun
    say_warnings(_conf_warnings(upload.conf, settings))
    value = _show_deployed(answer, output)
    _say_deployed(value, client, answer, took)
    wait_for(wait, client, answer)


def _show_deployed(answer: Answer, output: Format) -> dict[str, Any]:
    """Print the conf of a deployed API, and return it."""
    import yaml

    text = answer.body.decode()
    value: dict[str, Any] = yaml.safe_load(text)
    if output is Format.YAML:
        put(text)
    else:
        show(value, output, [{key: value[key] for key in ("id", "name", "version", "basePath")}])
    return value


def _say_deployed(value: dict[str, Any], client: Client, answer: Answer, took: float) -> None:
    """Print where a deployed API answers, and where it no longer does. `took` is in seconds."""
    urls: list[str] = next((api["urls"] for api in client.apis() if api["id"] == value["id"]), [])
    kind = answer.headers.get("kapi-deployment", "")
    say(f"deployed {value['name']} {value['version']} in {took:.2f} s ({kind}) → {' '.join(urls)}")
    for url in answer.headers.get("kapi-gone", "").split():
        say(f"it no longer answers at {url}")


def apis(output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None) -> None:
    """List the deployed APIs.

    Examples:
      kapi apis -o json
    """
    found = Client(settings_of(data_dir, config)).apis()
    if not found and output is Format.TABLE:
        say("no API is deployed; kapi deploy --help")
    rows = [
        {key: api[key] for key in ("id", "name", "version", "organization", "urls")}
        for api in found
    ]
    show({"apis": found}, output, rows)


def undeploy(
    api_id: Annotated[str, typer.Argument(metavar="ID", help="The id that `kapi apis` shows.")],
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
        undeploy_from(cluster_target(settings_of(data_dir, config), kubeconfig, context), api_id)
        return
    client = Client(settings_of(data_dir, config))
    answer = client.undeploy(api_id)
    say(f"undeployed {api_id}")
    wait_for(wait, client, answer)
