"""JWTs of clients and other servers: assertions, DPoP proofs, request objects, access tokens.

RFC 7519, RFC 8725.

What decides is registered, never said by the token: the algorithms, the types, the keys. Sizes are
limited before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.jose.algorithms import fits, verifies, verifies_hmac
from kapi.jose.compact import bare_type, jose_header, json_part, octets
from kapi.jose.jwk import InvalidKey, is_for_verification, public_jwk, public_key
from kapi.typed import text

LARGEST = 16 * 1024
MOST_KEYS = 50
"""Keys of one client that are tried."""
_SELECT_KEYS = frozenset({"alg", "kid"})
"""Header parameters that a key must not contradict (RFC 7517 §4.4, §4.5)."""
_CRITICAL = frozenset({"crit", "b64"})
KEY_REFERENCES = frozenset({"jku", "x5u", "x5c"})
"""Header parameters that lead to a key or certificates."""
KEYS_IN_HEADERS = KEY_REFERENCES | {"jwk"}
"""Header parameters with which a token brings a key of its own. They are forbidden, but for the
`jwk` of a DPoP proof."""
_SKEW = 30
"""Seconds that another machine's clock may differ."""


class InvalidJwt(ValueError):
    """Why a JWT is refused. The text contains nothing of the token and may be shown."""


@dataclass(frozen=True, slots=True)
class Jwt:
    """A JWT in its parts; its signature is not checked yet. `text` is the whole JWT."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signature: bytes

    @property
    def signing_input(self) -> bytes:
        """The bytes that are signed (RFC 7515 §2)."""
        return self.text.rpartition(".")[0].encode("ascii")


def parse_jwt(text: str) -> Jwt:
    """The parts of a signed JWT in compact form. Raises InvalidJwt."""
    if len(text) > LARGEST or text.count(".") != 2:
        raise InvalidJwt(f"it is not a signed JWT of at most {LARGEST} characters")
    header, claims, signature = text.split(".")
    try:
        return Jwt(text, jose_header(header), json_part(claims), octets(signature))
    except (ValueError, RecursionError) as error:
        raise InvalidJwt(str(error)) from error


def read_jwt(
    text: str,
    *,
    algorithms: Collection[str],
    types: Collection[str],
    forbidden: Collection[str] = KEYS_IN_HEADERS,
) -> Jwt:
    """Parse a JWT and check its header. Raises InvalidJwt.

    `types` are the accepted values of `typ` in lower case, `""` for an absent one.
    """
    jwt = read_jwt_of_any_type(text, algorithms, forbidden)
    if media_type(jwt) not in types:
        names = " or ".join(name or "absent" for name in types)
        raise InvalidJwt(f"its typ must be {names}")
    return jwt


def read_jwt_of_any_type(
    text: str, algorithms: Collection[str], forbidden: Collection[str] = KEYS_IN_HEADERS
) -> Jwt:
    """Parse a JWT and check its header but for `typ`. Raises InvalidJwt."""
    jwt = parse_jwt(text)
    if jwt.header.get("alg") not in algorithms:
        raise InvalidJwt(f"its alg must be one of {' '.join(algorithms)}")
    if has_critical_parameters(jwt.header):
        raise InvalidJwt(
            "it has critical header parameters that are not understood here"
        )
    if not jwt.header.keys().isdisjoint(forbidden):
        raise InvalidJwt(
            "keys in or behind its header (jwk, jku, x5u, x5c) are not trusted"
        )
    return jwt


def media_type(jwt: Jwt) -> str:
    """The `typ` in lower case without `application/`, or an empty text (RFC 7515 §4.1.9)."""
    return bare_type(jwt.header.get("typ", ""))


def has_critical_parameters(header: Mapping[str, Any]) -> bool:
    """Whether a header has critical extensions. None is supported (RFC 7515 §4.1.11, RFC 7797)."""
    return not _CRITICAL.isdisjoint(header)


def check_signature(jwt: Jwt, keys: Iterable[Mapping[str, Any]]) -> None:
    """Raise InvalidJwt unless one of the JWKs signed it. Its `alg` and `kid` select the keys."""
    candidates = [
        key for key in list(keys)[:MOST_KEYS] if _is_candidate(key, jwt.header)
    ]
    if not candidates:
        raise InvalidJwt("the client has no key that fits its alg and kid")
    if not any(_is_signed_by(jwt, key) for key in candidates):
        raise InvalidJwt("its signature is wrong")


def check_hmac(jwt: Jwt, secret: bytes) -> None:
    """Raise InvalidJwt unless it was signed with the secret (HS256, HS384, HS512)."""
    if not verifies_hmac(
        str(jwt.header["alg"]), secret, jwt.signing_input, jwt.signature
    ):
        raise InvalidJwt("its signature is wrong")


def embedded_key(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JWK in a header, when it is a public key and nothing more. Raises InvalidJwt."""
    try:
        return public_jwk(header.get("jwk"))
    except InvalidKey as error:
        raise InvalidJwt(f"its jwk cannot be used: {error}") from error


def check_times(claims: Mapping[str, Any], now: int, longest: int) -> int:
    """The `exp` of claims that are valid now, at most `longest` seconds away.

    Raises InvalidJwt, also for a wrong `iat` or `nbf`.
    """
    expires = numeric_date(claims, "exp")
    if expires is None:
        raise InvalidJwt("exp is missing")
    if expires + _SKEW <= now:
        raise InvalidJwt("it has expired")
    if expires > now + longest + _SKEW:
        raise InvalidJwt(f"its exp is more than {longest} seconds away")
    for name in ("iat", "nbf"):
        if (numeric_date(claims, name) or now) > now + _SKEW:
            raise InvalidJwt(f"its {name} is in the future")
    return int(expires)


def numeric_date(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2), or None if absent. Raises InvalidJwt for any other value."""
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not abs(value) < 2**53:
        raise InvalidJwt(f"its {name} is not a number of seconds")
    return float(value)


def text_claim(claims: Mapping[str, Any], name: str, longest: int = 512) -> str:
    """A text claim of 1 to `longest` characters. Raises InvalidJwt."""
    value = text(claims.get(name))
    if not 0 < len(value) <= longest:
        raise InvalidJwt(f"{name} must be a text of 1 to {longest} characters")
    return value


def _is_candidate(key: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
    """Whether a key is for signatures of this kind and contradicts neither `alg` nor `kid`."""
    if not fits(
        header["alg"], key.get("kty"), key.get("crv")
    ) or not is_for_verification(key):
        return False
    wanted = {name: header[name] for name in _SELECT_KEYS & header.keys()}
    return wanted.items() <= {**wanted, **key}.items()


def _is_signed_by(jwt: Jwt, key: Mapping[str, Any]) -> bool:
    try:
        public = public_key(key)
    except InvalidKey:
        return False
    return verifies(jwt.header["alg"], public, jwt.signing_input, jwt.signature)
