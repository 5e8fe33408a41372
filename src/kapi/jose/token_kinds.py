"""What is an access token: one rule, declared by issuer (RFC 8725 §3.11, §3.12; RFC 9068 §4). Pure.

Every verifier applies it: the filters of the gateway
(`gateway/envoy/resources/tokens/token_checks.py` writes it as Envoy's rules), the system APIs and
token exchange (`identity/issuers/verify.py`), introspection, UserInfo and registration
(`identity/tokens/access_tokens.py`).

In this order:

1. the header's `typ` is one of the issuer's `types`;
2. the claims in `required_claims` are there, with their values;
3. no claim names another kind: `events` of a security event (RFC 8417 §2.2), or `token_use`,
   `token_type` or `typ` with the name of another kind;
4. no claim of ID tokens only is there (`at_hash`, `c_hash`, `s_hash`, `nonce`), unless something
   else names the kind: the header's type `at+jwt`, a required claim, or an issuer that is declared
   to send ID tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from kapi.dataclass import dataclass
from kapi.jose.claim_names import find
from kapi.jose.compact import bare_type
from kapi.typed import listed, text

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type
"""The type that only access tokens have (RFC 9068 §2.1)."""
USUAL_TYPES = ("", "JWT", ACCESS_TOKEN_TYPE)
"""Header `typ` of most access tokens; the empty text is a token without one (RFC 7519 §5.1)."""
KIND_CLAIMS = ("token_type", "token_use", "typ")
"""Claims by which issuers name the kind of a token: APK, Cognito, Keycloak."""
ID_KINDS = ("id_token", "ID", "id")
"""Their values in ID tokens."""
OTHER_KINDS = (
    "refresh_token",
    "authorization_code",
    "session_key",
    "logout_token",
    "InternalKey",
    "apiKey",
    "refresh",
    "Refresh",
    "Logout",
    "Offline",
    "Action",
    "Initial-Access-Token",
    "Registration-Access-Token",
)
"""Their values in what is neither an access token nor an ID token."""
EVENT_CLAIM = "events"
"""Claim of security events, such as logout tokens (RFC 8417 §2.2)."""
ID_TOKEN_CLAIMS = ("at_hash", "c_hash", "s_hash", "nonce")
"""Claims of ID tokens (OpenID Connect Core §2, §3.3.2.11; FAPI 1.0 part 2 §5.1)."""
OWN_MARK = "clientId"
"""Claim that each access token of the inbuilt provider has, and nothing else that it signs."""

Rule = Literal["typ", "required claim", "kind", "ID token"]


@dataclass(frozen=True, slots=True)
class Objection:
    """Why something is not an access token: the part of the rule that refuses it, and the claim."""

    rule: Rule
    name: str


@dataclass(frozen=True, slots=True)
class AccessTokenRule:
    """The rule for one issuer."""

    types: tuple[str, ...] = USUAL_TYPES
    """Accepted `typ` of the header; the empty text accepts a token without one."""
    required_claims: tuple[tuple[str, str], ...] = ()
    """(claim, value) that a token must have; an empty value means any."""
    id_tokens: bool = False
    """Whether ID tokens are accepted too, for issuers that give APIs nothing else."""

    @property
    def names_kind(self) -> bool:
        """Whether a required claim names the kind: `token_use` of Cognito, `typ` of Keycloak."""
        return any(
            name in KIND_CLAIMS and value for name, value in self.required_claims
        )

    @property
    def ignores_id_token_claims(self) -> bool:
        """Whether claims of ID tokens refuse nothing, whatever the header's type is."""
        return self.id_tokens or self.names_kind

    @property
    def other_kinds(self) -> tuple[str, ...]:
        """Values of the claims that name the kind with which a token is refused."""
        if self.id_tokens:
            return OTHER_KINDS
        return (*OTHER_KINDS, *ID_KINDS)

    def _refuses_id_token_claims(self, header: Mapping[str, Any]) -> bool:
        return (
            not self.ignores_id_token_claims and _type_of(header) != ACCESS_TOKEN_TYPE
        )

    def tells_kind(self, header: Mapping[str, Any]) -> bool:
        """Whether its type or a required claim says that an accepted token is an access token."""
        return self.names_kind or _type_of(header) == ACCESS_TOKEN_TYPE

    def objection(
        self, header: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Objection | None:
        """Why this is not an access token of the issuer; None for an access token."""
        return next(self._objections(header, claims), None)

    def _objections(
        self, header: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Iterator[Objection]:
        if _type_of(header) not in set(map(bare_type, self.types)):
            yield Objection("typ", "typ")
        for name, wanted in self.required_claims:
            if not _has(find(claims, name), wanted):
                yield Objection("required claim", name)
        if EVENT_CLAIM in claims:
            yield Objection("kind", EVENT_CLAIM)
        for name in KIND_CLAIMS:
            if claims.get(name) in self.other_kinds:
                yield Objection("kind", name)
        if self._refuses_id_token_claims(header):
            for name in ID_TOKEN_CLAIMS:
                if name in claims:
                    yield Objection("ID token", name)


OWN_TOKENS = AccessTokenRule(required_claims=((OWN_MARK, ""),))
"""The rule for access tokens of the inbuilt provider, in APK's form and in that of RFC 9068."""


def _type_of(header: Mapping[str, Any]) -> str | None:
    """The type; empty if there is none, None if it is not a text or an empty one."""
    if "typ" not in header:
        return ""
    return bare_type(text(header["typ"])) or None


def _has(value: Any, wanted: str) -> bool:
    """Whether a claim is the value, or a list that contains it; Booleans are `true` and `false`."""
    if not wanted:
        return value is not None
    return wanted in map(_as_text, listed(value))


def _as_text(item: Any) -> Any:
    if isinstance(item, bool):
        return str(item).lower()
    return item
