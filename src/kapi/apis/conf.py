"""The apk-conf as values: what the file said, checked field by field. `reading.py` makes it; `compile.py` reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value stands: 1-based line and column, and its JSON pointer (`#/operations/0/verb`)."""

    line: int = 0
    column: int = 0
    pointer: str = "#"


@dataclass(frozen=True, slots=True)
class ServiceConf:
    """A Kubernetes service as endpoint: `<protocol>://<name>.<namespace>.svc.cluster.local:<port>`."""

    name: str
    namespace: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class EndpointConf:
    """`endpointConfigurations.production` or `.sandbox`."""

    endpoint: str | ServiceConf
    mark: Mark = Mark()


@dataclass(frozen=True, slots=True)
class OperationConf:
    """One item of `operations`."""

    target: str
    verb: str
    secured: bool = True
    scopes: tuple[str, ...] = ()
    production: EndpointConf | None = None
    sandbox: EndpointConf | None = None
    mark: Mark = Mark()


@dataclass(frozen=True, slots=True)
class AuthenticationConf:
    """One item of `authentication`; only OAuth2, enabled and mandatory, is enforced so far."""

    auth_type: str = "OAuth2"
    send_token_to_upstream: bool = False
    mark: Mark = Mark()


@dataclass(frozen=True, slots=True)
class ApiConf:
    """A whole apk-conf."""

    name: str
    base_path: str
    version: str
    type: str
    operations: tuple[OperationConf, ...]
    id: str = ""
    default_version: bool = False
    environment: str = ""
    production: EndpointConf | None = None
    sandbox: EndpointConf | None = None
    authentication: tuple[AuthenticationConf, ...] = ()
    additional_properties: tuple[tuple[str, str], ...] = ()
    mark: Mark = Mark()
