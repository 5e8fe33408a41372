"""gRPC: one method of one service, defined by proto files (gRPC over HTTP/2, "Requests").

The path of a call is `/<base path>.<version>.<target>/<verb>`, as in APK. The target is the service
below the package that base path and version name; the verb is the method.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.definitions import media_type, proto
from kapi.apis.kinds.model import Kind
from kapi.apis.kinds.warnings import not_in_definition, warning
from kapi.apis.model.rules import Fault
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from kapi.apis.definitions import Definition
    from kapi.apis.ir import Endpoint, Operation, Retry
    from kapi.apis.model.conf import ApiConf, OperationConf
    from kapi.errors import Diagnostic

FIELD: Final = "grpc"
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_FULL_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_FIRST_VERSION: Final = "v1"
_RETRIED_STATUSES: Final = ("UNAVAILABLE",)
"""When a retry policy names no statuses of gRPC."""


@dataclass(frozen=True, slots=True)
class GrpcOperation:
    """One method (`verb`) of a service (`target`). The backends speak HTTP/2."""

    verb: str
    target: str
    production: tuple[Endpoint, ...] = ()
    sandbox: tuple[Endpoint, ...] = ()
    policies: tuple[Any, ...] = ()
    streams: bool = False
    """Whether a call has several requests or several answers."""

    @property
    def path(self) -> str:
        """What follows the base path in the path of a call."""
        return f".{self.target}/{self.verb}"

    @property
    def methods(self) -> tuple[str, ...]:
        """A call is a POST request."""
        return ("POST",)


@dataclass(frozen=True, slots=True)
class HostGrpcOperation:
    """A method that clients call by the same path at every server: health checks, reflection."""

    verb: str
    target: str
    production: tuple[Endpoint, ...] = ()
    sandbox: tuple[Endpoint, ...] = ()
    policies: tuple[Any, ...] = ()

    @property
    def path(self) -> str:
        """The path of a call."""
        return self.host_path

    @property
    def host_path(self) -> str:
        """The path of a call."""
        return f"/{self.target}/{self.verb}"

    @property
    def streams(self) -> bool:
        """Whether a call has several requests or several answers."""
        return self.verb in {"Watch", "ServerReflectionInfo"}

    @property
    def methods(self) -> tuple[str, ...]:
        """A call is a POST request."""
        return ("POST",)


@dataclass(frozen=True, slots=True)
class TranscodedOperation:
    """One HTTP rule (google.api.http) of a method: callers send JSON, the backend gets gRPC."""

    verb: str
    target: str
    http_method: str
    template: str
    production: tuple[Endpoint, ...] = ()
    sandbox: tuple[Endpoint, ...] = ()
    policies: tuple[Any, ...] = ()

    @property
    def path(self) -> str:
        """The template of the rule, below the base path."""
        return self.template

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP method of the rule."""
        return (self.http_method,)


def _operation(
    verb: str,
    target: str,
    production: tuple[Endpoint, ...],
    sandbox: tuple[Endpoint, ...],
    policies: tuple[Any, ...],
) -> GrpcOperation:
    return GrpcOperation(
        verb, target, _over_http2(production), _over_http2(sandbox), policies
    )


def described(
    operations: tuple[Operation, ...], definition: Definition
) -> tuple[Operation, ...]:
    """The operations with what the definition says of their methods."""
    streaming = set()
    for item in definition.operations:
        if item.streams:
            streaming.add((item.target, item.verb))
    made: list[Operation] = []
    for operation in operations:
        if isinstance(operation, GrpcOperation):
            streams = (operation.target, operation.verb) in streaming
            made.append(replace(operation, streams=streams))
        else:
            made.append(operation)
    return tuple(made)


def _over_http2(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    return tuple(
        replace(
            endpoint,
            http2=True,
            retry=endpoint.retry and _with_statuses(endpoint.retry),
        )
        for endpoint in endpoints
    )


def _with_statuses(retry: Retry) -> Retry:
    return replace(retry, grpc_statuses=retry.grpc_statuses or _RETRIED_STATUSES)


def package_of(base_path: str, version: str) -> str:
    """The package that base path and version name: `/org.apk` and `v1` → `org.apk.v1`."""
    bare = base_path.strip("/").replace("/", ".")
    if bare.endswith(f".{version}"):
        return bare
    return f"{bare}.{version}"


def _target_fault(target: str) -> Fault | None:
    if _FULL_NAME.fullmatch(target):
        return None
    message = f"target [{target[:80]}] is not the name of a gRPC service"
    return Fault(
        message, "Write the service below the package, such as shop.Orders or Orders."
    )


def _verb_fault(verb: str) -> Fault | None:
    if _NAME.fullmatch(verb):
        return None
    return Fault(
        f"verb [{verb[:60]}] is not the name of a method", "Write it as in the proto."
    )


# Warnings


def _warnings(conf: ApiConf, definition: Definition | None) -> Iterable[Diagnostic]:
    if definition is None:
        return
    known = {(item.target, item.verb): item.streams for item in definition.operations}
    for operation in conf.operations:
        streams = known.get((operation.target, operation.verb))
        if streams is None:
            yield not_in_definition(operation, f"{operation.target}/{operation.verb}")
        elif streams and _reads_bodies(conf, operation):
            message = (
                f"{operation.target}/{operation.verb} is a stream,"
                " and an interceptor reads its messages"
            )
            hint = (
                "An interceptor gets a whole body: the stream reaches the backend when the caller"
                " has ended it. Set bodyEnabled: false for this method."
            )
            yield warning(codes.WHOLE_STREAM, message, hint, operation)


def _reads_bodies(conf: ApiConf, operation: OperationConf) -> bool:
    lists = (conf.policies, operation.policies)
    listed = [
        item for policies in lists for item in (*policies.request, *policies.response)
    ]
    return any(item.parameter("bodyEnabled", default=False) for item in listed)


# From a definition to a conf


def _more(definition: Definition, conf: Mapping[str, Any]) -> Mapping[str, Any]:
    """The package where base path and version do not say it.

    Without a version in the package, callers use the path of the default version.
    """
    package = ".".join(filter(None, (definition.base_path[1:], definition.version)))
    more: dict[str, Any] = {}
    if not definition.version:
        more["defaultVersion"] = True
    if package != package_of(conf["basePath"], conf["version"]):
        more[FIELD] = {"package": package}
    return more


def _served(content: bytes) -> tuple[str, bytes]:
    """A proto file as APK serves it: in a JSON object. A zip as it is."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return media_type(content), content
    if text.startswith("PK\x03\x04"):
        return media_type(content), content
    return "application/json", json.dumps(
        {"apiDefinition": text}, ensure_ascii=False
    ).encode()


GRPC: Final = Kind(
    language=proto,
    operation=_operation,
    target_fault=_target_fault,
    verb_fault=_verb_fault,
    separator=".",
    excluded={
        "aiProvider": "Remove it: AI providers answer over HTTP with JSON.",
        "stream": "Remove it: all kinds of gRPC calls pass.",
        "RequestRedirect": "Remove it: gRPC clients do not follow redirects.",
    },
    warnings=_warnings,
    served=_served,
    first_version=_FIRST_VERSION,
    more_fields=_more,
)
