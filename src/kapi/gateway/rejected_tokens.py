"""Hears from Envoy which tokens it refused and why, so that unknown keys are looked for and refusals are counted by issuer.

The access log service of Envoy (`envoy.service.accesslog.v3`) on a Unix socket of the control process. Nothing of a token is in
it but verified claims, and nothing is kept but counts. Envoy drops entries rather than wait when nobody reads them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse

from kapi.gateway.envoy.resources.names import FAULT, JWT_FILTER
from kapi.gateway.envoy.stream.socket_service import SocketService
from kapi.policies.callers.rbac import CLAIMS

_LOG = logging.getLogger("kapi.gateway")
_SERVICE = "envoy.service.accesslog.v3.AccessLogService"
_REASONS = {
    "Jwt is expired": "expired",
    "Jwt not yet valid": "not yet valid",
    "Jwt is not yet valid": "not yet valid",
    "Jwt verification fails": "signature",
    "Audiences in Jwt are not allowed": "audience",
    "Jwks doesn't have key to match kid or alg from Jwt": "unknown key",
    "Jwt header [alg] is not supported": "algorithm",
}
_RULES = {
    "900901_typ": "type",
    "900901_crit": "malformed",
    "900901_kind": "type",
    "900901_id_token": "type",
    "900901_scheme": "malformed",
    "900901_keytype": "claim",
    "900901_bound": "claim",
    "900901_claims": "claim",
}
"""Rules of `token_checks.py` and the deny list that refuse verified tokens."""

Heard = Callable[[str, str], None]
"""Told an issuer's name, empty when it is not known, and why a token was refused, in the words of `identity/tokens/verify.py`."""


class RejectedTokenLog:
    """The service. Safe to start before Envoy is there."""

    def __init__(
        self, socket_path: Path, heard: Heard, name_of: Callable[[str], str], streams: int
    ) -> None:
        """`name_of` gives the name of the issuer with an `iss`; `streams` is how many Envoy opens, one a thread."""
        self._heard = heard
        self._name_of = name_of
        handler = grpc.stream_unary_rpc_method_handler(
            self._take,
            StreamAccessLogsMessage.FromString,
            StreamAccessLogsResponse.SerializeToString,
        )
        service = SocketService(socket_path, _SERVICE, "StreamAccessLogs", handler, threads=streams)
        self.start = service.start
        self.stop = service.stop

    def _take(
        self, messages: Iterator[StreamAccessLogsMessage], _: grpc.ServicerContext
    ) -> StreamAccessLogsResponse:
        try:
            for message in messages:
                for entry in message.http_logs.log_entry:
                    self._heard(*self._refusal(entry))
        except grpc.RpcError:
            pass  # Envoy is gone; that is how a stream ends.
        except Exception:
            _LOG.exception("the log of refused tokens could not be read")
        return StreamAccessLogsResponse()

    def _refusal(self, entry: HTTPAccessLogEntry) -> tuple[str, str]:
        """The issuer and the reason."""
        space = entry.common_properties.metadata.filter_metadata.get(JWT_FILTER)
        facts: dict[str, Any] = dict(space.items()) if space is not None else {}
        details = entry.response.response_code_details
        if details.startswith("rbac_access_denied"):
            claims = facts.get(CLAIMS)
            issuer = claims["iss"] if claims is not None and "iss" in claims else ""
            rule = details.partition("[")[2].rstrip("]")
            return self._name_of(str(issuer)), _RULES.get(
                rule, "claim" if rule.startswith("900901_required") else "revoked"
            )
        for name, fault in facts.items():
            # A token that cannot be read is refused by every provider alike, so it is nobody's.
            if name.startswith(FAULT) and (reason := _REASONS.get(str(fault["message"]))):
                return name.removeprefix(FAULT), reason
        return (
            "",
            "missing"
            if "Jwt_is_missing" in details
            else "unknown issuer"
            if "issuer" in details
            else "malformed",
        )
