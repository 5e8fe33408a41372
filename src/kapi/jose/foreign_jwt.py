"""JWTs that clients sign: assertions, DPoP proofs, request objects (RFC 7515, RFC 7519, RFC 8725). Pure.

What decides is registered, never said by the token: the algorithms, the types, the keys. Sizes are capped before anything is
decoded. Called by client authentication, DPoP, request objects and the JWT grants.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kapi.jose.compact import bare_type, decoded, jose_header, json_part

LARGEST = 16 * 1024
MOST_KEYS = 50
"""Keys of one client that are looked at."""
_KEY_TYPES: Mapping[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "RS512": ("RSA", ""),
    "PS256": ("RSA", ""),
    "PS384": ("RSA", ""),
    "PS512": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
ASYMMETRIC = tuple(_KEY_TYPES)
SYMMETRIC = ("HS256", "HS384", "HS512")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_FROM_ELSEWHERE = ("jku", "x5u", "x5c")
_SKEW = 30
"""Seconds that another machine's clock may differ."""


class Unusable(Exception):
    """Why a JWT is refused; the text may be shown to the caller and holds nothing of the token."""


@dataclass(frozen=True, slots=True)
class ForeignJwt:
    """A JWT taken apart; its signature is not checked yet. `text` is the whole of it."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def signed(self) -> bytes:
        """What the signature is of."""
        return self.text.rpartition(".")[0].encode("ascii")

    @property
    def signature(self) -> bytes:
        """The signature. Raises Unusable."""
        try:
            return decoded(self.text.rpartition(".")[2])
        except ValueError as error:
            raise Unusable(str(error)) from error


def media_type(header: Mapping[str, Any]) -> str:
    """The `typ` of a header as types are compared (RFC 7515 §4.1.9); empty when there is none. Raises Unusable."""
    typ = header.get("typ", "")
    if not isinstance(typ, str):
        raise Unusable("its typ is not text")
    return bare_type(typ)


def read_jwt(
    text: str,
    *,
    algorithms: Collection[str],
    types: Collection[str] | None,
    embedded_key: bool = False,
) -> ForeignJwt:
    """Take a JWT apart. `types` are the values of `typ` in lower case, `""` stands for none; None leaves them to the caller.

    `embedded_key` demands `jwk` (DPoP). Raises Unusable.
    """
    if len(text) > LARGEST or text.count(".") != 2:
        raise Unusable(f"it is not a signed JWT of at most {LARGEST} characters")
    header_part, claims_part, _ = text.split(".")
    try:
        header, claims = jose_header(header_part), json_part(claims_part)
    except ValueError as error:
        raise Unusable(str(error)) from error
    if header.get("alg") not in algorithms:
        raise Unusable(f"its alg must be one of {' '.join(algorithms)}")
    typ = media_type(header)
    if types is not None and typ not in types:
        raise Unusable(f"its typ must be {' or '.join(name or 'absent' for name in types)}")
    if "crit" in header or "b64" in header:
        raise Unusable("it has critical header parameters that are not understood here")
    if any(name in header for name in _FROM_ELSEWHERE) or ("jwk" in header) is not embedded_key:
        raise Unusable(
            "its header has no jwk"
            if embedded_key
            else "keys in or behind its header (jwk, jku, x5u, x5c) are not trusted"
        )
    return ForeignJwt(text, header, claims)


def check_signature(jwt: ForeignJwt, keys: Iterable[Mapping[str, Any]]) -> None:
    """Raise Unusable unless one of the public keys (JWKs) signed it. Only keys that fit its algorithm and `kid` are tried."""
    algorithm, kid = str(jwt.header["alg"]), jwt.header.get("kid")
    fitting = [key for key in list(keys)[:MOST_KEYS] if _fits(key, algorithm, kid)]
    if not fitting:
        raise Unusable("the client has no key that fits its alg and kid")
    if not any(_signed_by(jwt, key, algorithm) for key in fitting):
        raise Unusable("its signature is wrong")


def check_hmac(jwt: ForeignJwt, secret: bytes) -> None:
    """Raise Unusable unless it was signed with the secret (HS256 and its siblings)."""
    import hashlib
    import hmac

    algorithm = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[
        str(jwt.header["alg"])
    ]
    if not secret or not hmac.compare_digest(
        hmac.new(secret, jwt.signed, algorithm).digest(), jwt.signature
    ):
        raise Unusable("its signature is wrong")


def public_key(value: Any) -> Mapping[str, Any]:
    """A JWK that holds a public key only. Raises Unusable."""
    if not isinstance(value, dict) or value.get("kty") not in ("RSA", "EC", "OKP"):
        raise Unusable("its jwk is not a public key")
    if _PRIVATE & set(value):
        raise Unusable("its jwk holds a private key")
    _imported(value)
    return value


def thumbprint(key: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a JWK (RFC 7638). Raises Unusable for a malformed key."""
    made: str = _imported(key).thumbprint()
    return made


def check_times(claims: Mapping[str, Any], now: int, longest: int) -> int:
    """The `exp` of claims that hold now, at most `longest` seconds away; `iat` and `nbf` where present. Raises Unusable."""
    expires = number(claims, "exp")
    if expires is None:
        raise Unusable("exp is missing")
    if expires + _SKEW <= now:
        raise Unusable("it has expired")
    if expires > now + longest + _SKEW:
        raise Unusable(f"its exp is more than {longest} seconds away")
    for name in ("iat", "nbf"):
        begins = number(claims, name)
        if begins is not None and begins > now + _SKEW:
            raise Unusable(f"its {name} is in the future")
    return int(expires)


def number(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2) or None when it is not there. Raises Unusable for anything else."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise Unusable(f"its {name} is not a number of seconds")
    return float(value)


def text(claims: Mapping[str, Any], name: str, longest: int = 512) -> str:
    """A text claim of 1 to `longest` characters. Raises Unusable."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Unusable(f"{name} must be a text of 1 to {longest} characters")
    return value


def _fits(key: Mapping[str, Any], algorithm: str, kid: Any) -> bool:
    kty, curve = _KEY_TYPES[algorithm]
    return (
        key.get("kty") == kty
        and (not curve or key.get("crv") == curve)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid", kid) == kid)
    )


def _signed_by(jwt: ForeignJwt, key: Mapping[str, Any], algorithm: str) -> bool:
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        imported = _imported({name: value for name, value in key.items() if name not in _PRIVATE})
        # Header and sizes were checked above, more strictly and with larger keys in mind than the library's registry does.
        model = jws.JWSRegistry.algorithms[algorithm]
        model.check_key(imported)
        return bool(model.verify(jwt.signed, jwt.signature, imported))
    except (JoseError, Unusable, ValueError, TypeError):
        return False


def _imported(key: Mapping[str, Any]) -> Any:
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    try:
        if key.get("kty") == "RSA" and not 340 <= len(key.get("n", "")) <= 1400:
            raise Unusable("an RSA key has 2048 to 8192 bits here")
        made = JWKRegistry.import_key(dict(key))
        _ = made.public_key
    except (JoseError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise Unusable("a key is malformed") from error
    return made
