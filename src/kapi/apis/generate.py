"""Definition → apk-conf, as APK's generate-configuration answers it, byte by byte. Called by the system API and the CLI."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from kapi.apis.definitions import parse_definition
from kapi.apis.emit import emit

if TYPE_CHECKING:
    from kapi.apis.definitions import Definition, DefinitionOperation


def generate(content: bytes, api_type: str = "REST", file_name: str = "") -> str:
    """The apk-conf of a definition; raises Invalid (90091) with every mistake in the definition."""
    return conf_of(parse_definition(content, api_type, file_name))


def conf_of(definition: Definition) -> str:
    """The apk-conf of a definition that has been parsed."""
    conf: dict[str, Any] = {
        "name": definition.name,
        "basePath": definition.base_path or _made_base_path(definition),
        "version": definition.version,
        "type": definition.type,
        "defaultVersion": False,
        "subscriptionValidation": False,
    }
    if definition.servers:
        conf["endpointConfigurations"] = _endpoint(definition.servers[0])
    conf["operations"] = [_operation(operation) for operation in definition.operations]
    return emit(conf)


def _made_base_path(definition: Definition) -> str:
    """A base path of name and version; URL-safe where APK's plain base64 would put `/` or `+` into the path."""
    made = base64.urlsafe_b64encode(f"{definition.name}{definition.version}".encode()).decode()
    return "/" + made.rstrip("=")


def _endpoint(url: str) -> dict[str, Any]:
    return {"production": {"endpoint": url}}


def _operation(operation: DefinitionOperation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "target": operation.target,
        "verb": operation.verb,
        "secured": operation.secured,
        "scopes": list(operation.scopes),
    }
    if operation.server:
        made["endpointConfigurations"] = _endpoint(operation.server)
    return made
