"""Receives from Envoy which tokens it rejected and why.

So unknown keys are fetched, and rejected tokens are counted by issuer. This is the access log
service of Envoy (`envoy.service.accesslog.v3`) on a Unix socket of the control process. An entry
contains nothing of a token but verified claims, and only counts are kept. Envoy drops entries when
they are not read in time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from envoy.service.accesslog.v3.als_pb2 import (
    StreamAccessLogsMessage,
    StreamAccessLogsResponse,
)

from kapi.gateway.envoy.resources.names import FAULT, JWT_FILTER
from kapi.gateway.envoy.stream.socket_service import SocketService
from kapi.gateway.issuers import SECOND_NAME
from kapi.policies.rbac import CLAIMS

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
"""Called with an issuer's name or "", and a reason of `identity/issuers/verify.py`."""


class RejectedTokenLog:
    """The service. It may be started before Envoy."""

    def __init__(
        self,
        socket_path: Path,
        heard: Heard,
        name_of: Callable[[str], str],
        streams: int,
    ) -> None:
        """`name_of` maps an `iss` to an issuer's name; Envoy has one of `streams` per thread."""
        self._heard = heard
        self._name_of = name_of
        handler = grpc.stream_unary_rpc_method_handler(
            self._take,
            StreamAccessLogsMessage.FromString,
            StreamAccessLogsResponse.SerializeToString,
        )
        service = SocketService(
            socket_path, _SERVICE, "StreamAccessLogs", handler, threads=streams
        )
        self.start = service.start
        self.stop = service.stop

    def _take(
        self, messages: Iterator[StreamAccessLogsMessage], _: grpc.ServicerContext
    ) -> StreamAccessLogsResponse:
        try:
            for message in messages:
                for entry in message.http_logs.log_entry:
                    self._heard(*self._rejection(entry))
        except grpc.RpcError:
            pass  # Envoy is gone; that is how a stream ends.
        except Exception:
            _LOG.exception("the log of refused tokens could not be read")
        return StreamAccessLogsResponse()

    def _rejection(self, entry: HTTPAccessLogEntry) -> tuple[str, str]:
        """The issuer and the reason."""
        space = entry.common_properties.metadata.filter_metadata.get(JWT_FILTER)
        facts: dict[str, Any] = {}
        if space is not None:
            facts = dict(space.items())
        details = entry.response.response_code_details
        if details.startswith("rbac_access_denied"):
            return self._name_of(_issuer_in(facts)), _reason_of_rule(details)
        for name, fault in facts.items():
            # Every provider rejects a token that cannot be read, so no issuer is named for it.
            reason = None
            if name.startswith(FAULT):
                reason = _REASONS.get(str(fault["message"]))
            if reason:
                return name.removeprefix(FAULT).partition(SECOND_NAME)[0], reason
        return "", _reason_without_issuer(details)


def _issuer_in(facts: Mapping[str, Any]) -> str:
    claims = facts.get(CLAIMS)
    if claims is not None and "iss" in claims:
        return str(claims["iss"])
    return ""


def _reason_of_rule(details: str) -> str:
    """The details name the rule that denied: `rbac_access_denied_matched_policy[900901_typ]`."""
    rule = details.partition("[")[2].rstrip("]")
    if rule.startswith("900901_required"):
        return "claim"
    return _RULES.get(rule, "revoked")


def _reason_without_issuer(details: str) -> str:
    if "Jwt_is_missing" in details:
        return "missing"
    if "issuer" in details:
        return "unknown issuer"
    return "malformed"
