"""The section `gateway`: Envoy, what it listens on, and what it asks during a call."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.addresses import (
    check_host,
    is_address,
    is_address_port,
    is_host_port,
    is_network,
    is_service_url,
)
from kapi.settings.ai import AiProviderSettings, repeated_providers
from kapi.settings.checks import Mistake, check_each, check_text

LOCAL_PROVIDER, LOCAL_API, LOCAL_DOMAIN = (
    "idp.localhost",
    "api.localhost",
    "gw.localhost",
)
"""The second names of the provider, the system APIs and the deployed APIs."""
LOCAL_CONSOLE = "console.localhost"
"""The second name of the console."""
FLOWS = ("request", "response")
"""Where an interceptor service is asked."""


def _check_flows(flows: tuple[str, ...]) -> Iterator[Mistake]:
    if not flows:
        yield Mistake(
            "must name a flow", 'Write ["request", "response"] or one of them.'
        )


@dataclass(frozen=True, slots=True)
class InterceptorSettings:
    """One interceptor service for every API.

    It is asked after those of the API itself in the request flow, and before them in the response
    flow.
    """

    url: str = field(
        metadata={
            "key": True,
            "needed": True,
            "check": check_text(
                is_service_url,
                "must be an http or https URL without user name and query",
                "Write http://host:port.",
            ),
        }
    )
    flows: tuple[str, ...] = field(
        default=FLOWS, metadata={"choices": FLOWS, "check": _check_flows}
    )
    headers: bool = True
    body: bool = False
    trailers: bool = False
    context: bool = True
    tls_secret_name: str = ""
    """A named secret with the certificate authorities of an https service.

    Empty means those of the system.
    """
    tls_secret_key: str = ""

    def mistakes(self) -> Iterator[Mistake]:
        """What its fields say together."""
        if bool(self.tls_secret_name) != bool(self.tls_secret_key):
            yield Mistake(
                "tls_secret_name and tls_secret_key belong together",
                "Give both or none.",
            )


@dataclass(frozen=True, slots=True)
class EnforcerSettings:
    """What the gateway asks during a call: interceptor services, and our process for JWTs."""

    timeout: int = field(default=5, metadata={"range": (1, 300)})
    """Seconds for an answer of the enforcer."""
    interceptor_timeout: int = field(default=10, metadata={"range": (1, 300)})
    """Seconds for an answer of an interceptor service."""
    max_body_bytes: int = field(
        default=100 * 1024, metadata={"range": (1024, 16 * 1024**2)}
    )
    """Largest body that an interceptor service or a script may see."""
    max_reply_bytes: int = field(
        default=1024**2, metadata={"range": (1024, 16 * 1024**2)}
    )
    """Longest answer of an interceptor service."""
    backend_jwt_issuer: str = "wso2.org/products/am"


@dataclass(frozen=True, slots=True)
class WasmSettings:
    """WebAssembly modules of APIs."""

    folder: str = ""
    """Folder of modules that confs name by `file:NAME`; relative to the data directory."""
    max_module_bytes: int = field(
        default=16 * 1024**2, metadata={"range": (1024, 1024**3)}
    )
    host_keys: tuple[str, ...] = ()
    """Environment variables of Envoy that a conf may hand to its modules."""


def _check_hosts(hosts: dict[str, str]) -> Iterator[Mistake]:
    for host, address in hosts.items():
        if not is_host_port(host) or not is_address_port(address):
            what = f"{address!r}: write host or host:port = address[:port]"
            yield Mistake(what, where=f".{host}")


_check_networks = check_each(
    check_text(
        is_network,
        "{} is not a network",
        "Write 192.0.2.0/24, 2001:db8::/32 or an address.",
    )
)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Envoy and what it listens on."""

    listen: str = field(
        default="127.0.0.1",
        metadata={
            "check": check_text(
                is_address,
                "{} is not an IP address",
                "Use 127.0.0.1, ::1, 0.0.0.0 or an address of this machine.",
            )
        },
    )
    port: int = field(default=9095, metadata={"range": (1, 65535)})
    public_port: int = field(default=0, metadata={"range": (0, 65535)})
    """The port that callers use, if a front or a port mapping changes it; 0 means `port`."""
    http3: bool = False
    """Whether it also answers HTTP/3 (QUIC), on the UDP port of the same number."""
    certificate_file: str = ""
    """Certificate chain (PEM) of its hosts, instead of one by the development authority."""
    private_key_file: str = ""
    """Private key (PEM) of that certificate."""
    envoy: str = ""
    """Path of an Envoy binary; empty means that of the package, else `envoy` on PATH."""
    concurrency: int = field(default=0, metadata={"range": (0, 256)})
    """Envoy worker threads; 0 means one per processor."""
    api_host: str = field(default="api.am.wso2.com", metadata={"check": check_host})
    domain: str = field(default="gw.wso2.com", metadata={"check": check_host})
    """Deployed APIs are on `<organization>[-<environment>].<domain>` and `….sandbox.<domain>`."""
    localhost_names: bool = True
    """Whether all is at names below `.localhost` too: browsers and curl find them without DNS.

    `idp.localhost`, `api.localhost` and `<organization>[-<environment>].gw.localhost`; they lead
    to loopback addresses only (RFC 6761 §6.3).
    """
    hosts: dict[str, str] = field(
        default_factory=dict, metadata={"check": _check_hosts}
    )
    """Addresses of backend host names.

    `backend = "127.0.0.1"`, `"backend:80" = "127.0.0.1:3000"`.
    """
    version_routing: bool = False
    """Route `/base/v1` to the newest deployed version `v1.x`."""
    apk_methods: bool = False
    """As in APK: 404 for a method that no operation has, HEAD only if an operation has it."""
    client_certificate_header: str = field(
        default="",
        metadata={
            "check": check_text(
                re.compile(r"[A-Za-z0-9_-]{0,128}").fullmatch,
                "{} is not a header name of letters, digits, `-` and `_`",
            )
        },
    )
    """Header in which trusted fronts send the client's certificate (PEM).

    Empty means that only TLS connections have one.
    """
    trusted_fronts: tuple[str, ...] = field(
        default=(), metadata={"check": _check_networks}
    )
    """Networks of the fronts whose certificate header is believed."""
    header_certificate_dates: bool = True
    """Whether the dates of a pinned certificate count when it comes in that header."""
    code_of_apis: str = field(
        default="auto", metadata={"choices": ("auto", "on", "off")}
    )
    """Whether APIs may bring Lua scripts and WebAssembly modules.

    `auto`: only while `listen` is a loopback address.
    """
    watchdog_seconds: int = field(default=10, metadata={"range": (5, 600)})
    """How long a thread of Envoy may take before the process is ended and started again."""
    access_log: bool = True
    access_log_bytes: int = field(
        default=100 * 1024**2, metadata={"range": (0, 1024**4)}
    )
    """Largest access log; one older file is kept. 0 sets no bound, for a rotation from outside."""
    token_cache_size: int = field(default=10_000, metadata={"range": (1, 10_000_000)})
    """Most verified tokens of an issuer that each thread of Envoy remembers."""
    token_cache_bytes: int = field(
        default=128 * 1024**2, metadata={"range": (1024**2, 1024**4)}
    )
    """Memory for them, of all threads and issuers together."""
    drain_seconds: int = field(default=5, metadata={"range": (0, 3600)})
    max_heap_bytes: int = field(
        default=2 * 1024**3, metadata={"range": (64 * 1024**2, 1024**4)}
    )
    max_connections: int = field(default=10_000, metadata={"range": (1, 10_000_000)})
    interceptors: tuple[InterceptorSettings, ...] = ()
    enforcer: EnforcerSettings = EnforcerSettings()
    wasm: WasmSettings = WasmSettings()
    ai_providers: tuple[AiProviderSettings, ...] = field(
        default=(), metadata={"check": repeated_providers}
    )
    """AI providers besides the built-in ones."""

    @property
    def threads(self) -> int:
        """Worker threads of Envoy: one per processor by default."""
        return self.concurrency or os.cpu_count() or 1

    @property
    def api_hosts(self) -> tuple[str, ...]:
        """The names of the host of the system APIs; the configured one is the first."""
        second = (LOCAL_API,) if self.localhost_names else ()
        return tuple(dict.fromkeys((self.api_host.lower(), *second, "localhost")))

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of the hosts of deployed APIs; the configured one is the first."""
        domain = self.domain.lower()
        if not self.localhost_names or f".{domain}".endswith(".localhost"):
            return (domain,)
        return (domain, LOCAL_DOMAIN)

    def is_second_name(self, host: str) -> bool:
        """Whether the host, in small letters, is reached by another name than the configured."""
        return host in self.api_hosts[1:] or host.endswith(
            tuple(f".{domain}" for domain in self.domains[1:])
        )

    def names_of(self, host: str) -> tuple[str, ...]:
        """All names of a host below the configured domain; that one is the first."""
        domain, *others = self.domains
        return (host, *(f"{host.removesuffix(domain)}{other}" for other in others))

    def shown_host(self, host: str) -> str:
        """The name of a host that people are shown: this machine finds it without DNS.

        `host` is that of the system APIs, or one below the configured domain.
        """
        if not self.localhost_names:
            return host
        if host.lower() == self.api_host.lower():
            return LOCAL_API
        if not f".{host}".endswith(f".{self.domains[0]}"):
            return host
        return self.names_of(host)[-1]

    def origin(self, host: str) -> str:
        """How callers write this host's address (RFC 6454 §6.2): the usual port is left out."""
        port = self.public_port or self.port
        if port == 443:
            return f"https://{host}"
        return f"https://{host}:{port}"

    def mistakes(self) -> Iterator[Mistake]:
        """What its fields say together."""
        if bool(self.certificate_file) != bool(self.private_key_file):
            what = "certificate_file and private_key_file go together"
            yield Mistake(what, "Set both, or none.", where=".certificate_file")
        if self.client_certificate_header and not self.trusted_fronts:
            yield Mistake(
                "is needed with client_certificate_header",
                "Name the fronts that set it; the header of any other caller proves nothing.",
                ".trusted_fronts",
            )
