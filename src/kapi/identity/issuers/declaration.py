"""Declared issuers: the facts of a preset and those of the declaration (APK's TokenIssuer).

All mistakes are reported at once. Pure. Called at start for the issuers of the settings, and by the
issuers API for those that are added later.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from kapi import error_codes
from kapi.addresses import is_label, url_parts
from kapi.apis.reserved_headers import may_hold_claim
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic, Invalid
from kapi.fetch import is_on_this_machine
from kapi.identity.issuers.preset import ANY_ORGANIZATION, ASYMMETRIC, Preset
from kapi.identity.issuers.presets import PRESETS, oidc
from kapi.identity.issuers.static_keys import (
    key_of_certificate,
    key_of_pem,
    trusted_certificates,
)
from kapi.jose.claim_names import client_claims
from kapi.jose.jwk_set import one_key
from kapi.jose.token_kinds import USUAL_TYPES, AccessTokenRule
from kapi.settings import IssuerSettings

ORGANIZATION_CLAIMS = ("organization", "x-wso2-organization")
"""Local claims that contain the organization of a caller; the second is APK's name."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LONGEST = 1024
_VISIBLE = re.compile(r"[!-~]+")
NO_HOSTS: Mapping[str, str] = MappingProxyType({})
_UNKNOWN = "unknown"
"""The value of a member that only an unknown preset could give."""
_WELL_KNOWN = "{issuer}/.well-known/openid-configuration"
_RESERVED_NAMES = frozenset({"inbuilt"})

Wrong = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Issuer:
    """A trusted issuer. `issuer` is compared byte for byte with `iss`."""

    name: str
    preset: str
    issuer: str
    discovery: str
    jwks_uri: str
    """Empty: it is in the discovery document."""
    organization: str = ANY_ORGANIZATION
    organizations: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    ca: str = ""
    key_pem: str = ""
    """A public key given by hand; then nothing is fetched."""
    audiences: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ASYMMETRIC
    types: tuple[str, ...] = USUAL_TYPES
    clock_skew: int = 5
    consumer_key_claim: str = ""
    """Empty: the first of `jose.claim_names.CLIENT_CLAIMS` that the token has."""
    scopes_claims: tuple[str, ...] = ("scope", "scp")
    claim_mappings: tuple[tuple[str, str], ...] = ()
    """(remote claim, local name): what backends get as headers."""
    required_claims: tuple[tuple[str, str], ...] = ()
    """(claim, value); an empty value means any."""
    id_tokens: bool = False
    """Whether its ID tokens are accepted where access tokens are."""
    audience_needed: bool = False
    more_names: tuple[str, ...] = ()
    """Further `iss` of its tokens: the inbuilt provider has one for each of its hosts."""
    advice: tuple[str, ...] = ()

    def is_named(self, iss: object) -> bool:
        """Whether tokens with this `iss` are of this issuer."""
        return iss == self.issuer or iss in self.more_names

    @property
    def fetches(self) -> bool:
        """Whether its keys come over the network."""
        return not self.key_pem

    @property
    def rule(self) -> AccessTokenRule:
        """What is an access token of it."""
        return AccessTokenRule(self.types, self.required_claims, self.id_tokens)

    @property
    def client_claims(self) -> tuple[str, ...]:
        """Claims that may name the client of its tokens, in order."""
        return client_claims(self.consumer_key_claim)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the declaration accepts that it probably should not."""
        if self.audiences or not self.audience_needed:
            return ()
        whose = "other APIs"
        if self.id_tokens:
            whose = "other APIs and applications"
        warning = (
            f"no audience is declared: tokens that this provider issues for {whose}"
        )
        return (
            f"{warning} are accepted here too; name the audience of yours with --audience",
        )

    @property
    def source(self) -> str:
        """What its keys depend on; keys kept for another source are not used."""
        return " ".join((self.issuer, self.discovery, self.jwks_uri, *self.algorithms))

    def in_organization(self, organization: str) -> bool:
        """Whether an organization's APIs accept its tokens."""
        return self.organization in {ANY_ORGANIZATION, organization}


def preset_named(name: str) -> Preset | None:
    """The preset, or None."""
    for preset in PRESETS:
        if preset.name == name:
            return preset
    return None


def declare(settings: IssuerSettings, hosts: Mapping[str, str] = NO_HOSTS) -> Issuer:
    """The issuer. Raises Invalid with all mistakes; their places have the form `#/field`.

    A name that `hosts` (`gateway.hosts`) maps to loopback may have plain http addresses.
    """
    mistakes: list[Diagnostic] = []

    def wrong(where: str, message: str, hint: str = "") -> None:
        hint = hint or "`kapi issuer add --help` explains every field."
        mistakes.append(
            Diagnostic("issuer", message, hint, f"#/{where}", source=settings.name)
        )

    preset = preset_named(settings.preset)
    if preset is None:
        names = ", ".join(item.name for item in PRESETS)
        wrong(
            "preset",
            f"there is no preset {settings.preset!r}",
            f"Known: {names}. Any other provider: oidc.",
        )
        # Its parameters are unknown: only the declaration is checked, as without a preset.
        issuer = _whole(settings, oidc.preset, {}, wrong)
        name = _UNKNOWN
        if settings.name != settings.preset:
            name = settings.name
        issuer = dataclasses.replace(
            issuer,
            name=name,
            issuer=issuer.issuer or _UNKNOWN,
            discovery=settings.discovery,
        )
    else:
        issuer = _whole(settings, preset, _parameters(settings, preset, wrong), wrong)
    _check(issuer, hosts, wrong)
    if mistakes:
        raise Invalid(tuple(mistakes), error_codes.INVALID_ISSUER)
    return issuer


def _parameters(
    settings: IssuerSettings, preset: Preset, wrong: Wrong
) -> dict[str, str]:
    known = {parameter.name: parameter for parameter in preset.parameters}
    for name in settings.parameters.keys() - known.keys():
        wrong(
            f"parameters/{name}",
            f"the preset {preset.name} has no parameter {name!r}",
            f"It has: {', '.join(known) or 'none'}.",
        )
    values: dict[str, str] = {}
    for parameter in preset.parameters:
        value = settings.parameters.get(parameter.name, parameter.default)
        where = f"parameters/{parameter.name}"
        if value is None:
            wrong(
                where,
                f"{parameter.name} is missing: {parameter.help}",
                f"For example {parameter.example}.",
            )
        elif value != parameter.default and not re.fullmatch(parameter.pattern, value):
            wrong(
                where,
                f"{value!r} is not {parameter.help}",
                f"Write it like {parameter.example}, without https://.",
            )
        values[parameter.name] = value or ""
    return values


def _whole(
    settings: IssuerSettings, preset: Preset, values: Mapping[str, str], wrong: Wrong
) -> Issuer:
    """The issuer: the facts of the preset, and what the declaration gives in their place."""

    def filled(template: str) -> str:
        return template.format_map(values)

    issuer, discovery, jwks_uri = _addresses(settings, preset, values)
    claim_mappings = settings.claim_mappings or preset.claim_mappings
    required_claims = {**preset.required_claims, **settings.required_claims}
    return Issuer(
        name=settings.name,
        preset=preset.name,
        issuer=issuer,
        discovery=discovery,
        jwks_uri=jwks_uri,
        organization=settings.organization,
        organizations=settings.organizations,
        environments=settings.environments,
        ca=settings.ca,
        key_pem=_static_key(settings, wrong),
        audiences=settings.audiences or tuple(map(filled, preset.audiences)),
        algorithms=settings.algorithms or preset.algorithms,
        types=settings.types or preset.types or USUAL_TYPES,
        clock_skew=settings.clock_skew,
        consumer_key_claim=settings.consumer_key_claim or preset.consumer_key_claim,
        scopes_claims=settings.scopes_claims or preset.scopes_claims,
        claim_mappings=tuple(claim_mappings.items()),
        required_claims=tuple(
            (name, filled(value)) for name, value in required_claims.items()
        ),
        id_tokens=settings.id_tokens or preset.id_tokens,
        audience_needed=preset.audience_needed,
        advice=_advice(preset, values),
    )


def _addresses(
    settings: IssuerSettings, preset: Preset, values: Mapping[str, str]
) -> tuple[str, str, str]:
    """The issuer, its discovery document and its JWKS.

    A preset's addresses are those of the preset's issuer: for another issuer, both are discovered.
    """
    own = preset.issuer.format_map(values)
    issuer = settings.issuer or own
    discovery, jwks_uri = _WELL_KNOWN, ""
    if issuer == own:
        discovery, jwks_uri = preset.discovery, preset.jwks_uri.format_map(values)
    if settings.discovery:
        return issuer, settings.discovery, settings.jwks_uri
    discovery = discovery.format_map({**values, "issuer": issuer.rstrip("/")})
    return issuer, discovery, settings.jwks_uri or jwks_uri


def _advice(preset: Preset, values: Mapping[str, str]) -> tuple[str, ...]:
    if preset.parameters and not values:
        return ()
    return tuple(text.format_map(values) for text in preset.mistakes)


def _static_key(settings: IssuerSettings, wrong: Wrong) -> str:
    """The public key given by hand as PEM, or nothing."""
    given = []
    for name in ("certificate", "public_key", "jwks_uri"):
        if getattr(settings, name):
            given.append(name)
    if len(given) > 1:
        wrong(
            given[0],
            f"{' and '.join(given)} exclude each other",
            "Give one of them; a JWKS URL lets the issuer change its keys.",
        )
    try:
        if settings.certificate:
            return key_of_certificate(settings.certificate)
        if settings.public_key:
            return key_of_pem(settings.public_key)
        return ""
    except ValueError as error:
        wrong(
            "certificate" if settings.certificate else "public_key",
            str(error),
            "Give PEM text: -----BEGIN …, RSA of 2048 bits or more, EC or Ed25519.",
        )
        return ""


def _check(issuer: Issuer, hosts: Mapping[str, str], wrong: Wrong) -> None:
    if not _NAME.fullmatch(issuer.name) or issuer.name in _RESERVED_NAMES:
        wrong(
            "name",
            f"{issuer.name!r} cannot be a name",
            "Use a-z, 0-9, - and _, at most 64 characters, and not `inbuilt`.",
        )
    if not issuer.issuer:
        wrong(
            "issuer",
            "the issuer is missing",
            "Give it as the token's `iss` has it: https://…",
        )
    elif not _is_text(issuer.issuer):
        wrong("issuer", "the issuer must be printable and at most 1024 characters")
    if issuer.fetches:
        _check_urls(issuer, hosts, wrong)
    _check_given(issuer, wrong)
    _check_words(issuer, wrong)
    _check_mappings(issuer, wrong)


def _check_urls(issuer: Issuer, hosts: Mapping[str, str], wrong: Wrong) -> None:
    for where, url in (("discovery", issuer.discovery), ("jwksUri", issuer.jwks_uri)):
        if url and not _is_url(url, hosts):
            here = "127.0.0.1, localhost, or a name that gateway.hosts puts there"
            hint = f"Plain http is taken only for this machine: {here}."
            wrong(where, f"{url!r} is not an https URL", hint)


def _check_given(issuer: Issuer, wrong: Wrong) -> None:
    try:
        if issuer.key_pem:
            one_key(issuer.key_pem, issuer.algorithms)
    except ValueError as error:
        wrong(
            "public_key",
            str(error),
            "Give RSA of 2048 bits or more, EC or Ed25519, of an accepted algorithm.",
        )
    try:
        if issuer.ca:
            trusted_certificates(issuer.ca)
    except ValueError as error:
        wrong(
            "ca",
            str(error),
            "Give the certificate authority as PEM text: -----BEGIN CERTIFICATE-----.",
        )


def _check_words(issuer: Issuer, wrong: Wrong) -> None:
    for algorithm in issuer.algorithms:
        if algorithm not in ASYMMETRIC:
            hint = f"Known: {', '.join(ASYMMETRIC)}."
            if algorithm.startswith("HS"):
                hint += " Symmetric keys cannot be published."
            wrong("algorithms", f"{algorithm!r} cannot be accepted", hint)
    if issuer.organization != ANY_ORGANIZATION and not is_label(issuer.organization):
        wrong(
            "organization",
            f"{issuer.organization!r} is not an organization",
            "Use a lower-case DNS label, apk-system, or * for all.",
        )
    for value in issuer.organizations.values():
        if not is_label(value):
            wrong(
                "organizations",
                f"{value!r} is not an organization",
                "Use a lower-case DNS label: it becomes part of a host name.",
            )
    for environment in issuer.environments:
        if environment != ANY_ORGANIZATION and not is_label(environment):
            wrong(
                "environments",
                f"{environment!r} is not an environment",
                "Use a lower-case DNS label.",
            )
    _check_texts(issuer, wrong)


def _check_texts(issuer: Issuer, wrong: Wrong) -> None:
    groups: tuple[tuple[str, Sequence[str]], ...] = (
        ("audiences", issuer.audiences),
        ("scopesClaims", issuer.scopes_claims),
        ("claimMappings", [remote for remote, _ in issuer.claim_mappings]),
        ("requiredClaims", [claim for claim, _ in issuer.required_claims]),
    )
    for where, texts in groups:
        if len(texts) > 32 or not all(map(_is_text, texts)):
            wrong(where, "must be at most 32 printable texts, none of them empty")
    if any(len(text) > 64 or not text.isascii() for text in issuer.types):
        wrong(
            "types",
            "media types are short ASCII texts; the empty text is a token without `typ`",
        )


def _is_text(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and text.isprintable()


def _check_mappings(issuer: Issuer, wrong: Wrong) -> None:
    for remote, local in issuer.claim_mappings:
        if not _HEADER.fullmatch(local) or not may_hold_claim(local):
            hint = (
                "Backends get it as a header: letters, digits, - and _,"
                " and no header that HTTP or the gateway uses."
            )
            wrong("claimMappings", f"{remote!r} cannot become {local!r}", hint)
    locals_ = [local.lower() for _, local in issuer.claim_mappings]
    if len(set(locals_)) != len(locals_):
        wrong("claimMappings", "two claims become the same local claim")


def _is_url(url: str, hosts: Mapping[str, str]) -> bool:
    parts = url_parts(url)
    if not parts.hostname or parts.username is not None:
        return False
    if len(url) > _LONGEST or not _VISIBLE.fullmatch(url):
        return False
    if parts.scheme == "http":
        return is_on_this_machine(url, hosts)
    return parts.scheme == "https"
