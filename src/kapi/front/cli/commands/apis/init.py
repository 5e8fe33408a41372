"""`kapi init`: a conf to start from, with comments, made of a definition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kapi.errors import KapiError
from kapi.front.cli.commands.apis.confs import definition_at, is_url
from kapi.front.cli.options import ApiType, Config, settings_of
from kapi.front.cli.output import put_into, say

if TYPE_CHECKING:
    from kapi.front.cli.generating import Source

SCHEMA: Final = "apk-conf.schema.json"
_PLACEHOLDER: Final = "http://127.0.0.1:8080"
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_PARAMETER: Final = re.compile(r"\{[^{}]*\}")
_COMMENTS: Final = {
    "name": "The name and version make the identity of the API.",
    "basePath": "Callers send requests below this path and the version.",
    "version": "",
    "type": "",
    "defaultVersion": "true: the API also answers without the version in the path.",
    "subscriptionValidation": "true: only applications with a subscription may call.",
    "endpointConfigurations": "The backends. A sandbox has a host of its own.",
    "operations": "secured: false lets callers in without a token. All scopes are required.",
}
"""Field → what is said above it."""
_MORE: Final = """\
# Uncomment what you need. An editor shows all fields by the schema.
# rateLimit: {requestsPerUnit: 100, unit: "Minute"}
# corsConfiguration:
#   corsConfigurationEnabled: true
#   accessControlAllowOrigins: ["https://app.example.com"]
#   accessControlAllowMethods: ["GET", "POST"]
#   accessControlAllowHeaders: ["Authorization", "Content-Type"]
# apiPolicies:
#   request:
#   - policyName: "RequestValidation"
"""

SourceFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE|URL", help="A definition: OpenAPI, GraphQL schema or proto."
    ),
]
Name = Annotated[str, typer.Option("--name", help="The name.", show_default=False)]
Version = Annotated[
    str, typer.Option("--version", help="The version.", show_default=False)
]
BasePath = Annotated[
    str, typer.Option("--base-path", help="The base path.", show_default=False)
]
Endpoint = Annotated[
    str, typer.Option("--endpoint", help="The backend.", show_default=False)
]
Write = Annotated[
    Path | None,
    typer.Option(
        "--write", metavar="FILE", help="Else NAME.apk-conf here.", show_default=False
    ),
]
Overwrite = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


def init(
    source: SourceFile,
    api_type: ApiType = "",
    name: Name = "",
    version: Version = "",
    base_path: BasePath = "",
    endpoint: Endpoint = "",
    write: Write = None,
    force: Overwrite = False,
    config: Config = None,
) -> None:
    """Write a conf for a definition, with comments, and the schema for editors beside it.

    Examples:
      kapi init openapi.yaml
      kapi init openapi.yaml --endpoint http://127.0.0.1:8080 --base-path /pets
    """
    import yaml

    from kapi.apis.model.choices import Choices
    from kapi.front.cli.generating import Source

    content = definition_at(source, settings_of(None, config))
    url = ""
    if is_url(source):
        url = source
    choices = Choices(base_path, endpoint, "", url, name, version)
    made = _completed(Source.of(content, source, api_type.upper(), choices))
    text = made.generated().conf_text
    conf = yaml.safe_load(text)
    path = write or Path(f"{_slug(conf['name'])}.apk-conf")
    schema_path = path.parent / SCHEMA
    if path.exists() and not force:
        hint = "Choose another file with --write, or replace it with --force."
        raise KapiError("output", f"{path} exists", hint=hint)
    put_into(path, _with_comments(text))
    if force or not schema_path.exists():
        put_into(schema_path, _schema_text())
    _say_next(path, source, conf)


def _completed(source: Source) -> Source:
    """The source with a readable base path and a backend, where it has none of its own."""
    from dataclasses import replace

    from kapi.apis.definitions import parse_definition

    choices = source.choices
    definition = parse_definition(source.content, source.api_type, source.name)
    slug = _slug(choices.name or definition.name)
    if slug and not choices.base_path and not definition.base_path:
        choices = replace(choices, base_path=f"/{slug}")
    servers = [server.url for server in definition.servers]
    if not choices.production and not any("://" in url for url in servers):
        path = next((url for url in servers if url.startswith("/")), "")
        choices = replace(choices, production=_PLACEHOLDER + path.rstrip("/"))
        say(
            f"warning: the definition names no backend; correct {choices.production} in the conf"
        )
    return replace(source, choices=choices)


def _slug(name: str) -> str:
    return _OTHER.sub("-", name.lower()).strip("-")[:60]


def _with_comments(conf: str) -> str:
    return "".join(_lines(conf))


def _lines(conf: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={SCHEMA}\n"
    for line in conf.splitlines(keepends=True):
        field = line.partition(":")[0]
        if field == "operations":
            yield _MORE
        if comment := _COMMENTS.get(field):
            yield f"# {comment}\n"
        yield line


def _schema_text() -> str:
    from kapi.apis.conf.json_schema import json_schema
    from kapi.policies import POLICIES

    return json.dumps(json_schema(POLICIES), indent=2) + "\n"


def _say_next(path: Path, source: str, conf: Mapping[str, Any]) -> None:
    first = next((item for item in conf["operations"] if item["verb"] == "GET"), None)
    say(f"next: kapi deploy {path} {source}")
    if first is not None:
        target = _PARAMETER.sub("1", first["target"]).removesuffix("/*")
        say(f"then: kapi call {conf['basePath']}/{conf['version']}{target}")
