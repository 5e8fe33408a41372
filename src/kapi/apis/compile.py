"""Compile: apk-conf and definition → the IR of one API, or every mistake in both. Pure.

Ids, paths and hosts follow APK (apk-conf reference, deploy semantics), so that a conf deployed
there and here is the same API. What depends on the kind of API, its `Kind` answers (`apis/kinds`).
Called by the deployer and the CLI.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeGuard

from kapi import error_codes
from kapi.apis import report as codes
from kapi.apis.ai_providers import BUILT_IN, provider_of, with_own
from kapi.apis.conf.policy_part import HasConfPart
from kapi.apis.conf.reading import Reading, read
from kapi.apis.definitions import parse_definition, read_definition
from kapi.apis.definitions.openapi_operations import OpenApiReader
from kapi.apis.emit import emit, with_id
from kapi.apis.endpoints import pooled
from kapi.apis.generate import generated_of, refuse_without_endpoint
from kapi.apis.ir import Api, ApiDefinition
from kapi.apis.kinds import Kind, kind_of
from kapi.apis.kinds.grpc import GRPC, described
from kapi.apis.kinds.mcp import MCP
from kapi.apis.mcp import headers as mcp_headers
from kapi.apis.mcp import servers as mcp_servers
from kapi.apis.mcp import tools as mcp_tools
from kapi.apis.model.choices import Wanted
from kapi.apis.model.rules import host_label_fault, label_fault, target_key
from kapi.dataclass import dataclass
from kapi.error_codes import ErrorCode
from kapi.errors import Diagnostic, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from kapi.apis.ai_providers import Providers
    from kapi.apis.balancing import Balancing
    from kapi.apis.definitions import Definition
    from kapi.apis.ir import AiProvider, Endpoint, Node, Operation
    from kapi.apis.ir_mcp import McpHeader
    from kapi.apis.model.conf import ApiConf, EndpointConf, OperationConf
    from kapi.settings import AiProviderSettings

_SOURCE = "apkConfiguration"
DEFINITION_PATH = "/api-definition"
_OF_ITS_OWN = {
    codes.POLICIES: error_codes.POLICIES_AT_BOTH_LEVELS,
}
"""APK's number for a conf whose mistakes are all of one kind. Policies add theirs."""


class Policy(HasConfPart, Protocol):
    """What compile needs of a policy."""

    def compile(self, conf: ApiConf, operation: OperationConf) -> Node | None:
        """The policy's node for an operation, or None when it has nothing to do there."""


class AddsOperations(Protocol):
    """A policy that answers requests which no operation of the conf is for."""

    def added_operations(
        self, conf: ApiConf, operations: tuple[Operation, ...]
    ) -> tuple[Operation, ...]:
        """More operations, with all their nodes. `operations` are those of the conf."""


class ReadsDefinition(Protocol):
    """A policy whose nodes depend on the OpenAPI document of the API."""

    name: str

    def completed(self, node: Any, operation: Operation, source: OpenApiReader) -> Node:
        """The node with what the document says of the operation."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An API ready to render.

    `conf_text` is the caller's conf with `id` set, as a deploy answers it; empty for an API that is
    restored.
    """

    api: Api
    conf: ApiConf
    conf_text: str
    warnings: tuple[Diagnostic, ...] = ()
    generated: str = ""
    """The conf, if it was generated."""


def compile_api(
    conf_text: bytes,
    definition: bytes,
    *,
    organization: str,
    policies: Sequence[Policy],
    ai_providers: Providers = BUILT_IN,
    restored: bool = False,
) -> Compiled:
    """The API; raises Invalid with ALL mistakes of conf and definition.

    The definition of an API that is `restored` from the store was accepted once. It is read again
    for its tools only.
    """
    reading = read(conf_text, policies, source=_SOURCE, ai_providers=ai_providers)
    conf, source = reading.conf, _Source(definition)
    if not restored or (conf is not None and _needs_definition(conf, policies)):
        source = _Source(definition, *read_definition(definition, reading.api_type))
    made = _compiled(reading, source, organization, policies, ai_providers)
    if restored or reading.data is None:
        return made
    return dataclasses.replace(made, conf_text=_echo(reading.data, made.api.id))


def compile_definition(
    definition: bytes,
    wanted: Wanted,
    *,
    organization: str,
    policies: Sequence[Policy],
    ai_providers: Providers = BUILT_IN,
) -> Compiled:
    """The API of a definition without a conf, which is generated. Raises Invalid.

    The mistakes of the definition have places there, those of the generated conf in that.
    """
    parsed = parse_definition(definition, wanted.api_type)
    made = generated_of(parsed, wanted.file_name, wanted.choices)
    refuse_without_endpoint(made)
    text = made.conf_text
    reading = read(text.encode(), policies, source=_SOURCE, ai_providers=ai_providers)
    source = _Source(definition, parsed)
    found = _compiled(reading, source, organization, policies, ai_providers)
    return dataclasses.replace(
        found,
        conf_text=with_id(text, found.api.id),
        warnings=(*found.warnings, *made.warnings),
        generated=text,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """A definition; what was read of it, and its mistakes."""

    content: bytes
    read: Definition | None = None
    mistakes: tuple[Diagnostic, ...] = ()


def _compiled(
    reading: Reading,
    source: _Source,
    organization: str,
    policies: Sequence[Policy],
    ai_providers: Providers,
) -> Compiled:
    """The API of a conf that was read, without a conf to answer."""
    conf, parsed, kind = reading.conf, source.read, kind_of(reading.api_type)
    mistakes = (
        *_organization_mistakes(organization, conf),
        *reading.diagnostics,
        *source.mistakes,
    )
    if mistakes or conf is None or kind is None:
        raise Invalid(mistakes, _error_of(mistakes, policies))
    tools = _tools(conf, parsed)
    if tools.mistakes:
        raise Invalid(tuple(tools.mistakes), error_codes.INVALID_CONF)
    identity = conf.id or api_id(organization, conf.name, conf.version)
    warnings = (*reading.warnings, *kind.warnings(conf, parsed), *tools.warnings)
    api = dataclasses.replace(
        _api(conf, kind, organization, identity, tools),
        operations=_completed(_operations(conf, kind, policies), parsed, policies),
        definition=_definition(conf, kind, source.content),
        ai_provider=_ai_provider(conf, ai_providers),
        mcp_headers=_mcp_headers(conf, parsed),
    )
    return Compiled(api, conf, "", warnings)


def _needs_definition(conf: ApiConf, policies: Sequence[Policy]) -> bool:
    """Whether the definition says more than what callers are shown."""
    if _has_tools(conf) or conf.type == GRPC.type:
        return True
    readers = [policy for policy in policies if hasattr(policy, "completed")]
    return any(
        policy.compile(conf, operation) is not None
        for policy in readers
        for operation in conf.operations
    )


def _has_tools(conf: ApiConf) -> bool:
    """Whether the definition has tools."""
    return conf.type == MCP.type or mcp_tools.is_wanted(conf)


def _mcp_headers(conf: ApiConf, definition: Definition | None) -> tuple[McpHeader, ...]:
    if conf.type != MCP.type or definition is None or definition.document is None:
        return ()
    return mcp_headers.headers_of(definition.document)


def _tools(conf: ApiConf, definition: Definition | None) -> mcp_tools.Tools:
    document = None
    if definition:
        document = definition.document
    if mcp_servers.is_aggregated(conf):
        return mcp_servers.tools_of(conf, document)
    return mcp_tools.tools_of(conf, document)


def _api(
    conf: ApiConf, kind: Kind, organization: str, identity: str, tools: mcp_tools.Tools
) -> Api:
    """The API without its operations."""
    base_path, default_base_path = base_paths(conf, kind)
    prices = None
    if conf.ai_provider:
        prices = conf.ai_provider.prices
    return Api(
        id=identity,
        organization=organization,
        name=conf.name,
        version=conf.version,
        environment=conf.environment,
        base_path=base_path,
        default_base_path=default_base_path,
        operations=(),
        properties=conf.additional_properties,
        escaped_slashes=conf.escaped_slashes,
        type=kind.type,
        ai_prices=prices,
        mcp_tools=tools.found,
        mcp_listed=tools.listed,
    )


def _ai_provider(conf: ApiConf, providers: Providers) -> AiProvider | None:
    named = conf.ai_provider
    if named:
        return provider_of(providers, named.name, named.api_version)
    return None


def compiler(own: Iterable[AiProviderSettings]) -> Callable[..., Compiled]:
    """`compile_api` for an installation whose settings have these AI providers."""
    return partial(compile_api, ai_providers=with_own(own))


def _definition(conf: ApiConf, kind: Kind, content: bytes) -> ApiDefinition | None:
    """None if the conf has an operation of its own at the default path.

    At a path that the conf names, that is a mistake.
    """
    path = conf.definition_path.rstrip("/") or DEFINITION_PATH
    if any(
        item.verb == "GET" and target_key(item.target) == path
        for item in conf.operations
    ):
        return None
    media_type, body = kind.served(content)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return ApiDefinition(path, media_type, text)


def api_id(organization: str, name: str, version: str) -> str:
    """The id of an API whose conf names none."""
    return hashlib.sha1(
        f"{organization}-{name}-{version}".encode(), usedforsecurity=False
    ).hexdigest()


def base_paths(conf: ApiConf, kind: Kind) -> tuple[str, str | None]:
    """The path with the version, and the one without it if this is the default version."""
    suffix = f"{kind.separator}{conf.version}"
    bare = conf.base_path.removesuffix(suffix)
    return bare + suffix, (bare if conf.default_version else None)


def _organization_mistakes(
    organization: str, conf: ApiConf | None
) -> tuple[Diagnostic, ...]:
    fault = label_fault("organization", organization) or (
        host_label_fault(organization, conf.environment) if conf else None
    )
    if fault is None:
        return ()
    return (
        Diagnostic(codes.HOST_LABEL, fault.message, fault.hint, source="organization"),
    )


def _operations(
    conf: ApiConf, kind: Kind, policies: Sequence[Policy]
) -> tuple[Operation, ...]:
    pools = _Pools(kind)
    own = tuple(_operation(conf, item, pools, policies) for item in conf.operations)
    made = list(own)
    for policy in policies:
        if _adds_operations(policy):
            made += policy.added_operations(conf, own)
    return tuple(sorted(made, key=kind.order))


# `isinstance` with a protocol costs fifty times as much.
def _adds_operations(policy: Policy) -> TypeGuard[AddsOperations]:
    return hasattr(policy, "added_operations")


def _reads_definition(policy: Policy) -> TypeGuard[ReadsDefinition]:
    return hasattr(policy, "completed")


def _completed(
    operations: tuple[Operation, ...],
    definition: Definition | None,
    policies: Sequence[Policy],
) -> tuple[Operation, ...]:
    """The operations with what they and policies take from the definition."""
    if definition is None:
        return operations
    operations = described(operations, definition)
    if definition.document is None:
        return operations
    source = OpenApiReader(definition.document)
    readers = {policy.name: policy for policy in policies if _reads_definition(policy)}

    def completed(operation: Operation) -> Operation:
        if readers.keys().isdisjoint(node.policy for node in operation.policies):
            return operation
        nodes = []
        for node in operation.policies:
            reader = readers.get(node.policy)
            nodes.append(reader.completed(node, operation, source) if reader else node)
        return dataclasses.replace(operation, policies=tuple(nodes))

    return tuple(map(completed, operations))


class _Pools:
    """The endpoints of operations. Most operations have the same, which are then one object."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._made: dict[
            tuple[int, ...], tuple[tuple[object, ...], tuple[Endpoint, ...]]
        ] = {}
        """By the identities of what they are made of, with that: it must not be freed."""

    def of(
        self,
        operation: OperationConf,
        confs: Sequence[EndpointConf],
        balancing: Balancing | None,
    ) -> tuple[Endpoint, ...]:
        """The endpoints of an operation that has these, or of its API."""
        chosen = self.kind.endpoints(operation, confs)
        key = (id(balancing), *map(id, chosen))
        if key not in self._made:
            self._made[key] = ((balancing, *chosen), pooled(chosen, balancing))
        return self._made[key][1]


def _operation(
    conf: ApiConf, operation: OperationConf, pools: _Pools, policies: Sequence[Policy]
) -> Operation:
    nodes = (policy.compile(conf, operation) for policy in policies)
    balancing = conf.balancing_of(operation)
    return pools.kind.operation(
        operation.verb,
        operation.target,
        pools.of(operation, operation.production or conf.production, balancing),
        pools.of(operation, operation.sandbox or conf.sandbox, balancing),
        tuple(node for node in nodes if node is not None),
    )


def _echo(data: dict[str, Any], identity: str) -> str:
    return emit(
        {"id": identity, **{key: value for key, value in data.items() if key != "id"}}
    )


def _error_of(
    diagnostics: Sequence[Diagnostic], policies: Sequence[Policy]
) -> ErrorCode:
    kinds = {item.code for item in diagnostics}
    if len(kinds) != 1:
        return error_codes.INVALID_CONF
    known = dict(_OF_ITS_OWN)
    for policy in policies:
        known |= policy.conf_part.error_codes
    return known.get(kinds.pop(), error_codes.INVALID_CONF)
