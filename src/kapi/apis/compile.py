"""Compile: apk-conf and definition → the IR of one API, or every mistake in both. Called by the deployer and the CLI. Pure.

Ids, paths and hosts follow APK (apk-conf reference, deploy semantics), so that redeploying there and here means the same API.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kapi import error_codes
from kapi.apis import report as codes
from kapi.apis.ai_providers import BUILT_IN, provider_of, with_own
from kapi.apis.conf.policy_part import HasConfPart
from kapi.apis.conf.reading import read
from kapi.apis.conf.rules import VERBS, host_label_fault, label_fault, plain_target, target_key
from kapi.apis.definitions import media_type, read_definition
from kapi.apis.disguises import weaker_siblings
from kapi.apis.emit import emit
from kapi.apis.endpoints import endpoints
from kapi.apis.ir import Api, ApiDefinition, Operation
from kapi.error_codes import ErrorCode
from kapi.errors import Diagnostic, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from kapi.apis.ai_providers import Providers
    from kapi.apis.conf.model import ApiConf, OperationConf
    from kapi.apis.definitions import Definition
    from kapi.apis.ir import AiProvider, Node
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


@runtime_checkable
class AddsOperations(Protocol):
    """A policy that answers requests which no operation of the conf is for."""

    def added_operations(
        self, conf: ApiConf, operations: tuple[Operation, ...]
    ) -> tuple[Operation, ...]:
        """More operations, with all their nodes. `operations` are those of the conf."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An API ready to render. `conf_text` is the caller's conf with `id` set, as a deploy answers it."""

    api: Api
    conf: ApiConf
    conf_text: str
    warnings: tuple[Diagnostic, ...] = ()


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

    The definition of an API that is `restored` from the store is not read: it was accepted once, and only says what callers are told.
    """
    reading = read(conf_text, policies, source=_SOURCE, ai_providers=ai_providers)
    parsed, mistakes = (None, ()) if restored else read_definition(definition, reading.api_type)
    diagnostics = (
        *_organization_mistakes(organization, reading.conf),
        *reading.diagnostics,
        *mistakes,
    )
    conf = reading.conf
    if diagnostics or conf is None or reading.data is None:
        raise Invalid(diagnostics, _error_of(diagnostics, policies))
    identity = conf.id or api_id(organization, conf.name, conf.version)
    base_path, default_base_path = base_paths(conf)
    api = Api(
        id=identity,
        organization=organization,
        name=conf.name,
        version=conf.version,
        environment=conf.environment,
        base_path=base_path,
        default_base_path=default_base_path,
        operations=_operations(conf, policies),
        properties=conf.additional_properties,
        definition=_definition(conf, definition),
        ai_provider=_ai_provider(conf, ai_providers),
        escaped_slashes=conf.escaped_slashes,
    )
    warnings = (*reading.warnings, *_warnings(conf, parsed))
    return Compiled(api, conf, _echo(reading.data, identity), warnings)


def _ai_provider(conf: ApiConf, providers: Providers) -> AiProvider | None:
    named = conf.ai_provider
    return provider_of(providers, named.name, named.api_version) if named else None


def compiler(own: Iterable[AiProviderSettings]) -> Callable[..., Compiled]:
    """`compile_api` for an installation whose settings have these AI providers."""
    return partial(compile_api, ai_providers=with_own(own))


def _definition(conf: ApiConf, content: bytes) -> ApiDefinition | None:
    """None when the conf has an operation of its own at the default path; at a path that it names, that is a mistake."""
    path = conf.definition_path.rstrip("/") or DEFINITION_PATH
    if any(item.verb == "GET" and target_key(item.target) == path for item in conf.operations):
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return ApiDefinition(path, media_type(content), text)


def api_id(organization: str, name: str, version: str) -> str:
    """The id of an API whose conf names none."""
    return hashlib.sha1(
        f"{organization}-{name}-{version}".encode(), usedforsecurity=False
    ).hexdigest()


def base_paths(conf: ApiConf) -> tuple[str, str | None]:
    """The path with the version, and the one without it when this is the default version."""
    suffix = f"/{conf.version}"
    bare = conf.base_path.removesuffix(suffix)
    return bare + suffix, (bare if conf.default_version else None)


def _organization_mistakes(organization: str, conf: ApiConf | None) -> tuple[Diagnostic, ...]:
    fault = label_fault("organization", organization) or (
        host_label_fault(organization, conf.environment) if conf else None
    )
    if fault is None:
        return ()
    return (Diagnostic(codes.HOST_LABEL, fault.message, fault.hint, source="organization"),)


def _operations(conf: ApiConf, policies: Sequence[Policy]) -> tuple[Operation, ...]:
    made = []
    for operation in conf.operations:
        nodes = tuple(
            node for policy in policies if (node := policy.compile(conf, operation)) is not None
        )
        made.append(
            Operation(
                verb=operation.verb,
                target=operation.target,
                production=endpoints(operation.production or conf.production),
                sandbox=endpoints(operation.sandbox or conf.sandbox),
                policies=nodes,
            )
        )
    own = tuple(made)
    for policy in policies:
        if isinstance(policy, AddsOperations):
            made += policy.added_operations(conf, own)
    return tuple(sorted(made, key=_match_order))


def _match_order(operation: Operation) -> tuple[Any, ...]:
    """Sorts the most specific target first: segment by segment, plain text before text with a parameter before a parameter before `*`."""
    key = target_key(operation.target)
    return (
        tuple(_segment_order(segment) for segment in key[1:].split("/")),
        key,
        VERBS.index(operation.verb),
    )


def _segment_order(segment: str) -> tuple[int, int]:
    if segment == "*":
        return 3, 0
    if segment == "{}":
        return 2, 0
    # Of two segments with parameters, the one with more plain text says more.
    return (1, -len(segment.replace("{}", ""))) if "{}" in segment else (0, 0)


def _echo(data: dict[str, Any], identity: str) -> str:
    return emit({"id": identity, **{key: value for key, value in data.items() if key != "id"}})


def _warnings(conf: ApiConf, definition: Definition | None) -> tuple[Diagnostic, ...]:
    """What is deployed, and should be looked at."""
    missing = () if definition is None else _not_in_definition(conf, definition)
    return (*missing, *_weaker_siblings(conf))


def _not_in_definition(conf: ApiConf, definition: Definition) -> Iterable[Diagnostic]:
    """Operations that the definition does not have: a caller cannot know them."""
    known = {
        (operation.verb, target_key(plain_target(operation.target)))
        for operation in definition.operations
    }
    for operation in conf.operations:
        if (
            operation.verb,
            target_key(operation.target),
        ) not in known and not operation.target.endswith("/*"):
            message = f"{operation.verb} {operation.target} is not in the definition"
            yield _warning(
                codes.NOT_IN_DEFINITION,
                message,
                "Add it to the definition, or remove it here.",
                operation,
            )


def _weaker_siblings(conf: ApiConf) -> Iterable[Diagnostic]:
    for wider, narrower in weaker_siblings(conf.operations):
        fixed = f"{narrower.verb} {narrower.target}"
        message = f"{wider.verb} {wider.target} needs other credentials or scopes than {fixed}, and a backend may mistake one for the other"
        hint = (
            f"Calls that a backend may take for {narrower.target}, such as {narrower.target};x and other letter case, are answered 404."
            " If your backend takes other paths for it, too, let both need the same."
        )
        yield _warning(codes.WEAKER_SIBLING, message, hint, wider)


def _warning(code: str, message: str, hint: str, operation: OperationConf) -> Diagnostic:
    mark = operation.mark
    return Diagnostic(code, message, hint, mark.pointer, mark.line, mark.column, "warning", _SOURCE)


def _error_of(diagnostics: Sequence[Diagnostic], policies: Sequence[Policy]) -> ErrorCode:
    kinds = {item.code for item in diagnostics}
    if len(kinds) != 1:
        return error_codes.INVALID_CONF
    known = dict(_OF_ITS_OWN)
    for policy in policies:
        known |= policy.conf_part.error_codes
    return known.get(kinds.pop(), error_codes.INVALID_CONF)
