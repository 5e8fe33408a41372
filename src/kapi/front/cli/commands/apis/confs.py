"""Commands about confs, without a running platform: `kapi generate`, `validate`, `schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kapi.front.cli.compiling import ConfFile, Definition, compiled
from kapi.front.cli.options import (
    ApiName,
    ApiType,
    ApiVersion,
    Config,
    SandboxEndpoint,
    read_input,
    refuse_size,
    settings_of,
)
from kapi.front.cli.output import put_into, say, usage

if TYPE_CHECKING:
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
DefinitionSource = Annotated[
    str,
    typer.Argument(
        metavar="FILE|URL|-", help="A definition: OpenAPI, GraphQL schema or proto."
    ),
]
BasePath = Annotated[
    str | None, typer.Option("--base-path", help="The base path.", show_default=False)
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", help="The backend.", show_default=False)
]
SchemaOf = Annotated[
    str,
    typer.Argument(
        metavar="[apk-conf|apply|settings]",
        help="Of an apk-conf, of the documents of kapi apply, or of kapi.toml.",
    ),
]


def generate(
    source: DefinitionSource,
    api_type: ApiType = "",
    name: ApiName = None,
    version: ApiVersion = None,
    base_path: BasePath = None,
    endpoint: Endpoint = None,
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
    from kapi.apis.model.choices import Choices
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

    if not is_url(source):
        return refuse_size(read_input(source), source, settings)
    return fetch(
        source,
        max_bytes=settings.apis.max_definition_bytes,
        timeout=settings.apis.fetch_timeout,
        allow_private=True,
    )


def validate(
    conf: ConfFile, definition: Definition = None, config: Config = None
) -> None:
    """Check a conf and its definition, and print all mistakes. Exit code 3 if there is one.

    Examples:
      kapi validate petstore.apk-conf openapi.yaml
    """
    made, _, _ = compiled(conf, definition, config)
    say(
        f"{conf}: valid; {made.api.name} {made.api.version} would answer below {made.api.base_path}"
    )


def schema(of: SchemaOf = "apk-conf", write: Write = None) -> None:
    """Print a JSON Schema, for completion and hover texts in editors.

    Examples:
      kapi schema --write apk-conf.schema.json
      kapi schema apply --write apply.schema.json
      kapi schema settings --write kapi.schema.json
    """
    if of == "apply":
        from kapi.front.cli.declaring.schema import declared_schema

        made = declared_schema()
    elif of == "apk-conf":
        from kapi.apis.conf.json_schema import json_schema
        from kapi.policies import POLICIES

        made = json_schema(POLICIES)
    elif of == "settings":
        from kapi.settings.written.json_schema import settings_schema

        made = settings_schema()
    else:
        usage(f"there is no schema of {of}", "Use one of: apk-conf, apply, settings.")
    put_into(write, json.dumps(made, indent=2) + "\n")
