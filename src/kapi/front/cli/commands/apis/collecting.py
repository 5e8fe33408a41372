"""Makes collections of requests on the command line: of a conf, a deployed API, the system APIs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kapi.apis.collections.bruno import bruno
from kapi.apis.collections.postman import postman
from kapi.apis.collections.requests import (
    Called,
    Collection,
    declared,
    requests_of,
    secured,
)
from kapi.apis.compile import DEFINITION_PATH
from kapi.apis.definitions import parse_definition
from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.front.cli.client import DEPLOY_SCOPE, Client
from kapi.front.cli.compiling import compiled_with
from kapi.front.cli.output import put_into, say, usage
from kapi.front.cli.server.remote import RemoteServer

if TYPE_CHECKING:
    from kapi.apis.ir import Api
    from kapi.settings import Settings

_REST = "REST"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What becomes a collection: a conf, the deployed API of this name, or else the system APIs."""

    to: str
    conf: str | None
    definition: str | None
    api: str


def write_collection(chosen: Chosen, settings: Settings, path: Path | None) -> None:
    """Write a collection. Raises KapiError."""
    if chosen.conf:
        made = _of_conf(chosen.conf, chosen.definition, settings)
    elif chosen.api:
        made = _of_deployed(chosen.api, settings)
    else:
        made = _of_system(settings)
    if chosen.to == "postman" or path is None:
        put_into(path, postman(made))
        return
    _write_files(bruno(made), path)
    say(f"wrote {len(made.requests)} requests to {path}")


def _write_files(files: Mapping[str, str], folder: Path) -> None:
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise KapiError(
            "output",
            f"cannot write {error.filename or folder}: {error.strerror}",
            hint="Name a folder that you may write to.",
        ) from error


def _of_conf(conf: str, definition: str | None, settings: Settings) -> Collection:
    from kapi.gateway.envoy.resources.context import api_host

    compiled, _, content = compiled_with(conf, definition, settings)
    api = compiled.api
    if api.type != _REST:
        usage(
            f"{api.name} is of type {api.type}", "Only a REST API becomes a collection."
        )
    host = api_host(settings.gateway, api.organization, api.environment, sandbox=False)
    called, scopes = _called(api)
    document = parse_definition(content, _REST).document or {}
    token_url, client_id = _of_settings(settings)
    return Collection(
        name=api.name,
        version=api.version,
        base_url=settings.gateway.origin(settings.gateway.shown_host(host))
        + api.base_path,
        token_url=token_url,
        client_id=client_id,
        scopes=scopes,
        requests=requests_of(document, called),
        description=_description(document),
    )


def _called(api: Api) -> tuple[tuple[Called, ...], tuple[str, ...]]:
    """The operations of an API, and the scopes that they need together."""
    called = []
    scopes: dict[str, None] = {}
    for operation in api.operations:
        nodes = {node.policy: node for node in operation.policies}
        is_open = not nodes["authentication"].required
        called.append(Called(operation.verb, operation.target, is_open=is_open))
        if "scopes" in nodes:
            scopes |= dict.fromkeys(nodes["scopes"].asked_for)
    return tuple(called), tuple(scopes)


def _of_deployed(name: str, settings: Settings) -> Collection:
    """Of the definition that callers of the API get."""
    client = Client(settings)
    wanted, _, version = name.partition(":")
    found = []
    for api in client.apis():
        if api["name"] == wanted and version in ("", api["version"]):
            found.append(api)
    if len(found) != 1:
        known = ", ".join(f"{api['name']}:{api['version']}" for api in found) or "none"
        usage(f"which API is {name}? (deployed: {known})", "See `kapi apis`.")
    base_url = str(found[0]["urls"][0])
    parts = urlsplit(base_url)
    content = _fetched(
        client, parts.hostname or "", parts.path.rstrip("/") + DEFINITION_PATH
    )
    document = parse_definition(content, _REST).document or {}
    token_url, client_id = _of_platform(client, settings)
    return Collection(
        name=found[0]["name"],
        version=found[0]["version"],
        base_url=client.server.shown(base_url).rstrip("/"),
        token_url=token_url,
        client_id=client_id,
        scopes=(),
        requests=requests_of(document, secured(document)),
        description=_description(document),
    )


def _of_system(settings: Settings) -> Collection:
    """Of the document that the platform serves."""
    client = Client(settings)
    document = json.loads(_fetched(client, client.server.api_host, "/openapi.json"))
    token_url, client_id = _of_platform(client, settings)
    return Collection(
        name=document["info"]["title"],
        version=document["info"]["version"],
        base_url=_system_url(client, document),
        token_url=token_url,
        client_id=client_id,
        scopes=(DEPLOY_SCOPE,),
        requests=requests_of(document, declared(document)),
        description=_description(document),
    )


def _fetched(client: Client, host: str, path: str) -> bytes:
    answer = client.request(host, "GET", path)
    if answer.status == 200:
        return answer.body
    raise KapiError(
        "definition",
        f"no definition at {path}: HTTP {answer.status}",
        hint="Name the conf and its definition instead.",
    )


def _description(document: Mapping[str, Any]) -> str:
    return str((document.get("info") or {}).get("description", ""))


def _system_url(client: Client, document: Mapping[str, Any]) -> str:
    """The address of the system APIs, which the document of a platform elsewhere says."""
    if isinstance(client.server, RemoteServer):
        return str(document["servers"][0]["url"])
    return client.api_url


def _of_settings(settings: Settings) -> tuple[str, str]:
    """Token endpoint and client; empty without the inbuilt provider."""
    if not settings.identity.enabled:
        return "", ""
    client = next(iter(settings.identity.clients), None)
    url = settings.gateway.origin(settings.provider_hosts[-1]) + "/oauth2/token"
    return url, client.id if client else ""


def _of_platform(client: Client, settings: Settings) -> tuple[str, str]:
    server = client.server
    if isinstance(server, RemoteServer):
        return server.provider().token_endpoint, ""
    return _of_settings(settings)
