"""Finds out why the TLS of a backend fails that Envoy calls besides a call's own backend.

Interceptor services, authorization services, mirrors and sign-in servers are called by filters of
Envoy, which are not told the reason, so no access log has it. Envoy counts the connections that
failed for each cluster. When a count has grown, this module makes a TLS handshake with the address,
the name and the authorities of the cluster, sends no request, and writes the reason to
`logs/backends.log`, as Envoy does for other calls (`envoy/resources/backend_log.py`).
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kapi.dataclass import dataclass
from kapi.gateway.envoy.process.process import admin
from kapi.gateway.envoy.resources.clusters import DEFAULT_PORTS, TLS_BY_HOST
from kapi.gateway.envoy.resources.names import CLUSTER
from kapi.gateway.envoy.stream.server import Publisher

if TYPE_CHECKING:
    from envoy.config.cluster.v3.cluster_pb2 import Cluster
    from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

_FAILED: Final = ".upstream_cx_connect_fail"
_STATISTICS: Final = (
    r"/stats?format=json&type=Counters&usedonly"
    r"&filter=^cluster%5C.(backend|own)_[^.]*%5C.upstream_cx_connect_fail$"
)
_SECONDS: Final = 5.0
"""For one handshake."""
_PAUSE: Final = 60
"""Seconds between two handshakes with a backend."""
_AT_ONCE: Final = 8
"""Backends of one look."""
_WRONG_NAME: Final = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """A backend: where it is, the name that it must prove, and who may have signed it."""

    address: str
    port: int
    name: str
    authorities: str
    """Certificates in PEM; empty: those of `authorities_file`."""
    authorities_file: str = ""
    protocols: tuple[str, ...] = ()
    """For ALPN."""


class BackendCertificates:
    """Looks at the counts, and writes what it finds out."""

    def __init__(
        self,
        publisher: Publisher,
        admin_socket: Path,
        log: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._admin_socket = admin_socket
        self._log = log
        self._clock = clock
        self._seen: dict[str, int] = {}
        """The count at the last handshake, by cluster."""
        self._made: dict[str, float] = {}
        """When that was."""

    def look(self) -> None:
        """Make a handshake with each backend whose count has changed; with some, if many have."""
        counts, now = self._counts(), self._clock()
        self._seen = {name: seen for name, seen in self._seen.items() if name in counts}
        self._made = {
            name: made for name, made in self._made.items() if now - made < _PAUSE
        }
        changed = [
            name for name, count in counts.items() if count != self._seen.get(name, 0)
        ]
        for name in [name for name in changed if name not in self._made][:_AT_ONCE]:
            self._seen[name], self._made[name] = counts[name], now
            self._examine(name)

    def _counts(self) -> dict[str, int]:
        """Failed connections by cluster; nothing while Envoy does not answer."""
        try:
            _, body = admin(self._admin_socket, "GET", _STATISTICS, 2.0)
            stats = json.loads(body)["stats"]
        except (OSError, ValueError, KeyError):
            return {}
        found = {}
        for item in stats:
            if "name" in item:
                name = item["name"].removeprefix("cluster.").removesuffix(_FAILED)
                found[name] = int(item["value"])
        return found

    def _examine(self, name: str) -> None:
        key = (CLUSTER, name)
        resource = self._publisher.wanted([key])[key]
        if resource is None:
            return
        # Most platforms never need these messages.
        from envoy.config.cluster.v3.cluster_pb2 import Cluster

        for peer in dict.fromkeys(tls_peers(Cluster.FromString(resource.body))):
            reason = handshake_fault(peer)
            if reason:
                self._write(peer, reason)

    def _write(self, peer: TlsPeer, reason: str) -> None:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "backend": _authority(peer),
            "address": f"{_bracketed(peer.address)}:{peer.port}",
            "reason": reason,
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        with os.fdopen(os.open(self._log, flags, 0o600), "w") as file:
            file.write(json.dumps(line) + "\n")


def tls_peers(cluster: Cluster) -> Iterator[TlsPeer]:
    """The hosts of a cluster that it speaks TLS with."""
    from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext

    sockets = {
        item.name: item.transport_socket for item in cluster.transport_socket_matches
    }
    for group in cluster.load_assignment.endpoints:
        for item in group.lb_endpoints:
            place = item.endpoint.address.socket_address
            host = (
                item.metadata.filter_metadata[TLS_BY_HOST].fields["host"].string_value
            )
            socket_of = sockets.get(host, cluster.transport_socket)
            context = UpstreamTlsContext()
            if socket_of.typed_config.Unpack(context):
                yield _peer(place.address, place.port_value, context)


def _peer(address: str, port: int, context: UpstreamTlsContext) -> TlsPeer:
    common = context.common_tls_context
    names = common.validation_context.match_typed_subject_alt_names
    authorities = common.validation_context.trusted_ca
    return TlsPeer(
        address,
        port,
        names[0].matcher.exact if names else context.sni,
        authorities.inline_string,
        authorities.filename,
        tuple(common.alpn_protocols),
    )


def handshake_fault(peer: TlsPeer) -> str:
    """Why the peer is not believed, in the words of the TLS library.

    Empty if it is, or cannot be reached.
    """
    try:
        _shake_hands(peer, checks_name=True)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code not in _WRONG_NAME:
            return f"TLS_error: {error.verify_message}"
        return f"TLS_error: certificate SANs are [{', '.join(_names(peer))}]"
    except ssl.SSLError as error:
        return f"TLS_error: {error.reason}"
    except (OSError, ValueError):
        pass
    return ""


def _names(peer: TlsPeer) -> tuple[str, ...]:
    """The names in the peer's certificate."""
    try:
        certificate = _shake_hands(peer, checks_name=False)
    except (OSError, ValueError):
        return ()
    return tuple(str(value) for _, value in certificate.get("subjectAltName", ()))


def _shake_hands(peer: TlsPeer, *, checks_name: bool) -> Mapping[str, Any]:
    """The certificate of the peer. Raises OSError, of which errors of TLS are kinds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = checks_name
    context.hostname_checks_common_name = False
    context.load_verify_locations(
        peer.authorities_file or None, cadata=peer.authorities or None
    )
    if peer.protocols:
        context.set_alpn_protocols(list(peer.protocols))
    with (
        socket.create_connection((peer.address, peer.port), timeout=_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=peer.name) as secure,
    ):
        return secure.getpeercert() or {}


def _authority(peer: TlsPeer) -> str:
    """As Envoy names it in its own lines."""
    if peer.port == DEFAULT_PORTS["https"]:
        return _bracketed(peer.name)
    return f"{_bracketed(peer.name)}:{peer.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
