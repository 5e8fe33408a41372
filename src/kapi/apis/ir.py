"""The intermediate representation (IR) of one API: what the gateway must do, in no gateway's words.

Made by `compile.py` from a conf and its definition, read by the renderers. Frozen values,
comparable and printable (`ir_contents.py`).
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any, ClassVar, Literal, Protocol, TypeGuard

from kapi.apis.balancing import Pool
from kapi.apis.ir_mcp import McpHeader, McpListed, McpTool
from kapi.apis.report import Mark
from kapi.dataclass import dataclass

Unit = Literal["Minute", "Hour", "Day"]
"""A window of the clock."""


class Node(Protocol):
    """What one policy enforces at an operation: a frozen dataclass of the policy's module."""

    @property
    def policy(self) -> str:
        """Name of the policy in `kapi.policies.POLICIES`."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """One value of a named secret of the API's organization; `mark` is its place in the conf."""

    name: str
    key: str
    mark: Mark = field(
        default=Mark(), compare=False, repr=False, metadata={"hidden": True}
    )


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Certificates of accepted clients or of their authorities: PEM texts in secrets."""

    mandatory: bool
    accepted: tuple[SecretRef, ...]


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """Users of the gateway: lines of a secret, each a name and the digest of a password."""

    secret: SecretRef


@dataclass(frozen=True, slots=True)
class FilterSecret:
    """A secret whose value a filter of Envoy gets as a resource of its own, not in a route."""

    secret: SecretRef
    shortest: int = 1
    """How many characters the value has at least."""


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """User name and password that the gateway sends to a backend (RFC 7617)."""

    username: SecretRef
    password: SecretRef


@dataclass(frozen=True, slots=True)
class ApiKeyCredential:
    """A header or query parameter that the gateway sends to a backend."""

    location: Literal["Header", "Query"]
    parameter: str
    value: SecretRef


@dataclass(frozen=True, slots=True)
class Retry:
    """When a request is tried again; the gateway chooses if `base_interval_millis` is None."""

    count: int
    status_codes: tuple[int, ...]
    base_interval_millis: int | None = None
    grpc_statuses: tuple[str, ...] = ()
    """Statuses of gRPC calls, by their names."""


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """How much may be under way to one backend at once; None leaves a limit to the gateway."""

    max_connection_pools: int | None = None
    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None


@dataclass(frozen=True, slots=True)
class AiLimits:
    """How much may be asked of one AI backend in each window of the clock; None sets no limit."""

    requests: int | None = None
    request_unit: Unit = "Minute"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    token_unit: Unit = "Minute"  # noqa: S105 - a window of the clock

    @property
    def counts_tokens(self) -> bool:
        """Whether answers must be read."""
        return {self.prompt_tokens, self.completion_tokens, self.total_tokens} != {None}


@dataclass(frozen=True, slots=True)
class AiProvider:
    """A provider of AI backends, and where its answers say how many tokens a call took.

    A place is `header:NAME`, or names in a JSON body between dots. Without a total, prompt and
    completion are added up.
    """

    name: str
    api_version: str
    prompt_tokens: tuple[str, ...]
    completion_tokens: tuple[str, ...]
    total_tokens: tuple[str, ...] = ()
    model_in_path: tuple[str, str] | None = None
    """What comes before the name of the model in paths, and the characters that end the name."""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What the tokens of a model cost, each in trillionths of the currency."""

    model: str
    """Its name or how its name begins; `*` is any other model."""
    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class AiPrices:
    """The prices of the models of an API."""

    currency: str
    models: tuple[ModelPrice, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One of the AI models that share the calls of an operation, as its backend is called."""

    name: str
    number: int
    """Its place among the models."""
    keys: tuple[str, ...]
    """The name of each of the models, itself included, under which it is suspended."""
    base_paths: tuple[str, ...]
    """The base path of each of the models."""
    suspend_seconds: int
    in_path: tuple[str, str] | None = None
    """As `AiProvider.model_in_path`."""
    credential_headers: tuple[str, ...] = ()
    """Names of the headers in which the models get credentials."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A backend address and how it is called. Times are in seconds.

    `base_path` is "" or starts with "/" and never ends with one. `certificate` contains the
    authorities (PEM) that an https backend is checked against instead of the system's.
    """

    scheme: str
    host: str
    port: int
    base_path: str = ""
    weight: int = 1
    security: BasicCredentials | ApiKeyCredential | None = None
    certificate: SecretRef | None = None
    response_timeout: int | None = None
    idle_timeout: int | None = None
    retry: Retry | None = None
    circuit_breaker: CircuitBreaker | None = None
    ai_limits: AiLimits | None = None
    http2: bool = False
    """Whether it speaks HTTP/2, in cleartext too."""
    model: Model | None = None
    pool: Pool | None = None
    """Several addresses behind it; host and port are those of the first."""

    @property
    def addresses(self) -> tuple[Endpoint, ...]:
        """Each of its addresses as an endpoint of its own."""
        if self.pool is None:
            return (self,)
        return tuple(
            replace(self, host=item.host, port=item.port, weight=item.weight, pool=None)
            for item in self.pool.members
        )

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own, as in a Host header (RFC 9110 §7.2)."""
        host = self.host
        if ":" in self.host:
            host = f"[{self.host}]"
        if (self.scheme, self.port) in (("http", 80), ("https", 443)):
            return host
        return f"{host}:{self.port}"


class AtHost(Protocol):
    """An operation whose path on a host does not depend on the base path of its API."""

    @property
    def host_path(self) -> str:
        """The path of its requests."""


def is_at_host(operation: object) -> TypeGuard[AtHost]:
    """Whether an operation is one. `isinstance` with a protocol costs fifty times as much."""
    return hasattr(operation, "host_path")


def path_at(operation: Operation, base_path: str) -> str:
    """The path pattern of the requests for an operation below one base path."""
    if is_at_host(operation):
        return operation.host_path
    return base_path + operation.path


class Operation(Protocol):
    """What all operations have.

    Each kind of API has a frozen dataclass of its own (`apis/kinds`).
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def verb(self) -> str:
        """The verb of the conf. Verb and target name an operation within its API."""

    @property
    def target(self) -> str:
        """The target of the conf."""

    @property
    def path(self) -> str:
        """The path pattern of its requests, relative to the base path."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods of its requests."""

    @property
    def production(self) -> tuple[Endpoint, ...]:
        """The endpoints on the production host; without any, it does not exist there."""

    @property
    def sandbox(self) -> tuple[Endpoint, ...]:
        """The endpoints on the sandbox host; without any, it does not exist there."""

    @property
    def policies(self) -> tuple[Any, ...]:
        """The nodes of its policies."""


def endpoints_on(operation: Operation, *, sandbox: bool) -> tuple[Endpoint, ...]:
    """The endpoints of an operation on one of its two hosts."""
    if sandbox:
        return operation.sandbox
    return operation.production


@dataclass(frozen=True, slots=True)
class ApiDefinition:
    """Where callers get the definition, relative to the base path.

    `text` is empty when it is not text.
    """

    path: str
    media_type: str
    text: str = field(default="", repr=False, metadata={"hidden": True})


@dataclass(frozen=True, slots=True)
class Api:
    """One API as deployed.

    `base_path` holds the version (`/petstore/1.0.0`); `default_base_path` is the path without
    it when this is the default version. Operations are in match order: the most specific target
    first.
    """

    id: str
    organization: str
    name: str
    version: str
    environment: str
    base_path: str
    default_base_path: str | None
    operations: tuple[Operation, ...]
    properties: tuple[tuple[str, str], ...] = ()
    definition: ApiDefinition | None = None
    ai_provider: AiProvider | None = None
    ai_prices: AiPrices | None = None
    escaped_slashes: Literal["unescape", "reject", "keep"] = "unescape"
    """What is done with a path that has `%2F` or `%5C`."""
    type: str = "REST"
    """The type of its kind (`apis/kinds`)."""
    mcp_tools: tuple[McpTool, ...] = ()
    """Operations that callers may also use as tools of an MCP server."""
    mcp_listed: tuple[McpListed, ...] = ()
    """What lists have besides tools, if several MCP servers are behind the API."""
    mcp_headers: tuple[McpHeader, ...] = ()
    """Headers that must agree with arguments of tools."""

    @property
    def base_paths(self) -> tuple[str, ...]:
        """All paths it answers on."""
        if self.default_base_path is None:
            return (self.base_path,)
        return (self.base_path, self.default_base_path)
