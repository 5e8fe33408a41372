"""One emulated provider: its preset with values for its parameters, and its addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from kapi.errors import Invalid
from kapi.identity.endpoints import ENDPOINTS
from kapi.identity.issuers.declaration import Issuer as TrustedIssuer
from kapi.identity.issuers.declaration import declare, preset_named
from kapi.identity.issuers.emulation import ALWAYS, NEVER, Emulation
from kapi.identity.issuers.presets import PRESETS
from kapi.identity.protocol.published import Published
from kapi.settings import IssuerSettings

CERTIFICATES = "certificates"
"""The name of the endpoint with a map of certificates; the provider has none."""
_DISCOVERY = "/.well-known/openid-configuration"


def emulated_presets() -> list[str]:
    """The names of the presets that can be emulated."""
    return [preset.name for preset in PRESETS if preset.emulation is not None]


class Vendor:
    """A provider to emulate. Raises ValueError with all mistakes of its parameters."""

    def __init__(
        self, name: str, parameters: Mapping[str, str], *, opaque: bool | None = None
    ) -> None:
        """`opaque` decides whether access tokens are opaque; None is the vendor's default."""
        preset = preset_named(name)
        if preset is None or preset.emulation is None:
            known = ", ".join(emulated_presets())
            raise ValueError(f"{name[:80]!r} cannot be emulated; known: {known}")
        defaults = {item.name: item.default for item in preset.parameters}
        self.parameters: dict[str, str] = {
            key: value for key, value in defaults.items() if value is not None
        } | dict(parameters)
        declared = IssuerSettings(name, preset=name, parameters=dict(parameters))
        try:
            self.trusted: TrustedIssuer = declare(declared)
        except Invalid as error:
            mistakes = [f"{item.message}. {item.hint}" for item in error.diagnostics]
            raise ValueError(" ".join(mistakes)) from error
        self.name = name
        self.given = dict(parameters)
        self.title = preset.title
        self.emulation: Emulation = preset.emulation
        if opaque is not None:
            wanted = ALWAYS if opaque else NEVER
            self.emulation = replace(preset.emulation, opaque=wanted)
        self.issuer = self.trusted.issuer
        """The issuer identifier, with or without its slash."""

    def filled(self, template: str) -> str:
        """An address, with the parameters."""
        return template.format_map(self.parameters)

    @cached_property
    def addresses(self) -> Mapping[str, str]:
        """Members of the discovery document and their addresses at the vendor's own hosts."""
        return {
            **{
                name: self.filled(url) for name, url in self.emulation.endpoints.items()
            },
            "jwks_uri": self.trusted.jwks_uri,
        }

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The hosts of the vendor, with their ports if they have any."""
        keys = self.emulation.keys
        urls = [self.trusted.discovery, self.issuer, *self.addresses.values()]
        urls += [*keys.certificate_maps, *keys.copies]
        return frozenset(urlsplit(url).netloc for url in urls)

    def paths(self, published: Published) -> Mapping[str, str]:
        """Paths of the vendor → paths of the provider; certificate maps have no path there."""
        own = _own_paths(published)
        made = {urlsplit(self.trusted.discovery).path: _DISCOVERY}
        made |= {_inserted(self.issuer): _DISCOVERY}
        for name, url in self.addresses.items():
            if name in own:
                made[urlsplit(url).path] = own[name]
        for url in self.emulation.keys.copies:
            made[urlsplit(url).path] = own["jwks_uri"]
        return made

    @cached_property
    def certificate_paths(self) -> frozenset[str]:
        """Where a map of certificates is."""
        return frozenset(
            urlsplit(url).path for url in self.emulation.keys.certificate_maps
        )

    def documented(self, members: Mapping[str, Any], base_url: str) -> dict[str, Any]:
        """The discovery document: the members of the provider, with the vendor's addresses.

        `base_url` is put before the paths; without one, the addresses are the vendor's own.
        """
        addresses = dict(self.addresses)
        if base_url:
            addresses = {
                name: f"{base_url}{urlsplit(url).path}"
                for name, url in addresses.items()
            }
        kept = {name: value for name, value in members.items() if not _is_address(name)}
        algorithms = [self.emulation.algorithm]
        return (
            kept
            | {name: url for name, url in addresses.items() if name in members}
            | {
                "issuer": self.issuer,
                "id_token_signing_alg_values_supported": algorithms,
            }
        )


def _is_address(name: str) -> bool:
    return name.endswith(("_endpoint", "_uri")) or name == "service_documentation"


def _inserted(issuer: str) -> str:
    """RFC 8414 §3.1: the path of the issuer after the well-known name."""
    return f"/.well-known/oauth-authorization-server{urlsplit(issuer).path.rstrip('/')}"


def _own_paths(published: Published) -> Mapping[str, str]:
    """Members of the discovery document → paths of the provider."""
    members: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        members |= endpoint.metadata(published)
    base = published.base_url
    return {
        name: value.removeprefix(base)
        for name, value in members.items()
        if str(value).startswith(f"{base}/")
    }
