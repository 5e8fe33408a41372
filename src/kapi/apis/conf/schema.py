"""The apk-conf schema, fields of APK 1.0 to 2.0: the format itself, and the parts of the policies.

Called by `reading.py`.

A field is here, in `not_enforced.py`, or in the `ConfPart` of a policy. Any other name is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Table
from functools import lru_cache
from typing import Final

from kapi.apis.conf.ai_provider_rules import AI_PROVIDER
from kapi.apis.conf.descriptions import DESCRIPTIONS
from kapi.apis.conf.not_enforced import DESCRIPTIONS as UNCLAIMED_DESCRIPTIONS
from kapi.apis.conf.not_enforced import FIELDS as UNCLAIMED_FIELDS
from kapi.apis.conf.not_enforced import POLICIES as UNCLAIMED_POLICIES
from kapi.apis.conf.parameter_lists import MOST, PARAMETER
from kapi.apis.conf.policy_part import (
    ConfField,
    ConfPart,
    Flow,
    HasConfPart,
    Level,
    ListedPolicy,
    Owner,
)
from kapi.apis.conf.shapes import (
    FLAG,
    NAME,
    TEXT,
    ByField,
    Either,
    Items,
    Record,
    Shape,
    Text,
    Whole,
)
from kapi.apis.definitions import DEFINITIONS
from kapi.dataclass import dataclass

VERSION_PATTERN: Final = r"""[^~!@#;:%^*()+={}|\\<>"',&/$\[\]\s]+"""
GRPC_STATUSES: Final = (
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
)
"""Statuses of gRPC calls that can be tried again."""
ELSEWHERE: Final = {
    "context": "Use basePath.",
    "organization": "Remove it: the organization is the one of the token.",
    "vhosts": "Remove it: hosts are made of the organization and environment.",
    "authTypeEnabled": "Use secured.",
    "provider": "Remove it.",
}
"""Names from other APK releases and from API Manager, with what to write instead."""
_PROPERTIES: Final = Items(
    Record({"name": Text(1, 256), "value": Text(0, 4096)}, ("name", "value"), more=True)
)
_OF_ROUTING: Final = {"escapedSlashes": Text(one_of=("unescape", "reject", "keep"))}
_REQUIRED: Final = ("name", "basePath", "version", "type", "operations")
_APK_ORDER: Final = (
    "Interceptor",
    "BackendJwt",
    "AddHeader",
    "SetHeader",
    "RemoveHeader",
    "RequestMirror",
    "RequestRedirect",
    "ModelBasedRoundRobin",
    "LuaInterceptor",
    "WASMInterceptor",
)
_MOST_POLICIES: Final = 100
_MOST_ENDPOINTS: Final = 50
_SECONDS: Final = Whole(0, 86_400)

_SERVICE: Final = Record(
    {
        "name": Text(1, 63),
        "namespace": Text(1, 63),
        "port": Whole(1, 65535),
        "protocol": Text(one_of=("http", "https")),
    },
    ("name", "namespace", "port"),
)
_RESILIENCY: Final = Record(
    {
        "timeout": Record(
            {
                "downstreamRequestIdleTimeout": _SECONDS,
                "upstreamResponseTimeout": _SECONDS,
            }
        ),
        "retryPolicy": Record(
            {
                "count": Whole(0, 100),
                "baseIntervalMillis": Whole(0, 3_600_000),
                "statusCodes": Items(Whole(100, 599), 100),
                "grpcStatuses": Items(Text(one_of=GRPC_STATUSES), 100),
            }
        ),
        "circuitBreaker": Record(
            dict.fromkeys(
                (
                    "maxConnectionPools",
                    "maxConnections",
                    "maxPendingRequests",
                    "maxRequests",
                    "maxRetries",
                ),
                Whole(),
            )
        ),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class ConfFormat:
    """The apk-conf as the policies of an installation make it."""

    root: Record
    descriptions: Table[str, str]
    parts: tuple[ConfPart, ...]
    listed: Table[str, ListedPolicy]
    """What may be named in a list of policies and is enforced."""

    @property
    def fields(self) -> Iterator[ConfField]:
        """The fields that policies claim."""
        return (item for part in self.parts for item in part.fields)

    def has_field(self, name: str) -> bool:
        """Whether a policy claims a field of this name."""
        return any(item.name == name for item in self.fields)


def conf_format(policies: Iterable[HasConfPart]) -> ConfFormat:
    """The format with what these policies claim; made once for each tuple of parts."""
    return _conf_format(tuple(policy.conf_part for policy in policies))


@lru_cache(maxsize=8)
def _conf_format(parts: tuple[ConfPart, ...]) -> ConfFormat:
    _refuse_two_claims(parts)
    listed = {item.name: item for part in parts for item in part.listed}
    return ConfFormat(
        _Schema(parts, listed).root(), _descriptions(parts), parts, listed
    )


def _refuse_two_claims(parts: Sequence[ConfPart]) -> None:
    """Raise ValueError when two policies claim one name: one of them would not be enforced."""
    names = [item.name for part in parts for item in part.listed]
    names += [
        f"{place}.{item.name}"
        for part in parts
        for item in part.fields
        for place in item.places
    ]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"claimed by more than one policy: {', '.join(twice)}")


def _descriptions(parts: Sequence[ConfPart]) -> dict[str, str]:
    found = DESCRIPTIONS | UNCLAIMED_DESCRIPTIONS
    for part in parts:
        for item in part.fields:
            found |= item.descriptions
        for policy in part.listed:
            for name, text in policy.descriptions.items():
                found[f"{policy.name}.parameters.{name}"] = text
    return found


def _order(name: str) -> int:
    """The place of a policy in lists for people: the order of APK's guide, then of `POLICIES`."""
    if name in _APK_ORDER:
        return _APK_ORDER.index(name)
    return len(_APK_ORDER)


class _Schema:
    """Puts the records together.

    Equal lists of policies are one record, so that `kapi schema` writes them once.
    """

    def __init__(
        self, parts: Sequence[ConfPart], listed: Table[str, ListedPolicy]
    ) -> None:
        self._fields = [item for part in parts for item in part.fields]
        self._listed = listed
        self._records: dict[str, Record] = {}

    def root(self) -> Record:
        endpoints = self._endpoints()
        lists = {level: self._names(level) for level in _LEVELS}
        at_api = self._lists("api")
        at_operation = at_api
        if lists["api"] != lists["operation"]:
            at_operation = self._lists("operation")
        operation: dict[str, Shape] = {
            "target": Text(1, 256),
            "verb": Text(1, 64),
            **self._claimed("operation"),
            "endpointConfigurations": endpoints,
            "operationPolicies": at_operation,
        }
        fields: dict[str, Shape] = {
            "id": Text(1, 128, pattern=r"[A-Za-z0-9._-]+"),
            "name": Text(1, 60),
            "basePath": Text(1, 256),
            "version": Text(1, 30, pattern=VERSION_PATTERN),
            "type": Text(one_of=tuple(form.TYPE for form in DEFINITIONS)),
            "definitionPath": Text(1, 256),
            "defaultVersion": FLAG,
            "environment": Text(1, 63),
            "endpointConfigurations": endpoints,
            "aiProvider": AI_PROVIDER,
            "operations": Items(Record(operation, ("target", "verb"))),
            "apiPolicies": at_api,
            "additionalProperties": _PROPERTIES,
            "routing": Record({**self._claimed("routing"), **_OF_ROUTING}),
            **UNCLAIMED_FIELDS,
            **self._claimed("api"),
        }
        return Record(fields, _REQUIRED)

    def _claimed(self, place: Owner) -> dict[str, Shape]:
        found = {}
        for item in self._fields:
            if place in item.places:
                found[item.name] = item.shape
        return found

    def _endpoints(self) -> Record:
        endpoint = Record(
            {
                "endpoint": Either(_SERVICE, Text(1, 2048)),
                "certificate": Record(
                    {"secretName": NAME, "secretKey": NAME}, ("secretName", "secretKey")
                ),
                "resiliency": _RESILIENCY,
                "weight": Whole(0, 1_000_000),
                **self._claimed("endpoint"),
            },
            ("endpoint",),
        )
        one_or_more = Either(endpoint, Items(endpoint, _MOST_ENDPOINTS))
        return Record({"production": one_or_more, "sandbox": one_or_more})

    def _lists(self, level: Level) -> Record:
        lists: dict[str, Shape] = {
            flow: Items(
                ByField("policyName", self._policies(level, flow)), _MOST_POLICIES
            )
            for flow in _FLOWS
        }
        return Record(lists)

    def _names(self, level: Level) -> set[str]:
        found = set()
        for name, policy in self._listed.items():
            if level in policy.levels:
                found.add(name)
        return found

    def _policies(self, level: Level, flow: Flow) -> dict[str, Record]:
        """What may be named in one list: what policies claim, and what has its own refusal."""
        found = {}
        for name, policy in self._listed.items():
            if level in policy.levels and flow in policy.flows:
                found[name] = self._policy(
                    name, policy.parameters, needed=policy.needs_parameters
                )
        for name, (shape, flows) in UNCLAIMED_POLICIES.items():
            if name not in self._listed and flow in flows:
                found[name] = self._policy(
                    name, shape, needed=isinstance(shape, Record)
                )
        return dict(sorted(found.items(), key=lambda item: _order(item[0])))

    def _policy(self, name: str, parameters: Shape, *, needed: bool) -> Record:
        if name not in self._records:
            fields: dict[str, Shape] = {
                "policyName": TEXT,
                "policyVersion": TEXT,
                "policyId": TEXT,
                "parameters": parameters,
            }
            if isinstance(parameters, Record):
                fields["parameters"] = Either(parameters, Items(PARAMETER, MOST))
            required = ["policyName"]
            if needed:
                required.append("parameters")
            self._records[name] = Record(fields, tuple(required))
        return self._records[name]


_LEVELS: Final[tuple[Level, ...]] = ("api", "operation")
_FLOWS: Final[tuple[Flow, ...]] = ("request", "response")
