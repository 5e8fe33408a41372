"""Backend JWTs (APK's BackendJwt policy): verified claims of a call → a JWT for the backend.

The claims come from Envoy, which verified the token; see `policies/backend_jwt.py` for the
question. Called by `front/web/enforcer/questions.py`. Answers are kept while they are valid, so
that Envoy's threads and restarts share them.
"""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.jose import base64url
from kapi.jose.claim_names import client_of
from kapi.jose.compact import sign_jwt
from kapi.jose.signing_keys import SigningKey
from kapi.json_reading import read_json

DIALECT = "http://wso2.org/claims/"
RESTRICTED = frozenset({
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "scope", "scp", "token_type",
    "application", "tierInfo", "subscribedAPIs",
    "keytype", "permittedIP", "permittedReferer",
})  # fmt: skip
"""Claims of the caller's token that say something about that token, not about the caller."""
MOST_ANSWERS = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The application that a call comes from."""

    id: str
    name: str
    owner: str = ""
    tier: str = "Unlimited"
    subscription_tier: str = "Unlimited"


class Callers(Protocol):
    """Finds the application of a consumer key that calls an API; see `callers.find_caller`."""

    def __call__(
        self, consumer: str, organization: str, api: str, version: str
    ) -> Caller | None: ...


def no_caller(consumer: str, organization: str, api: str, version: str) -> None:
    """No application is known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A JWT and until when it may be used again, in seconds since the epoch."""

    token: str = field(repr=False)
    reusable_until: int


class BackendJwts:
    """Makes them. Safe to share between threads."""

    def __init__(
        self,
        keys: Sequence[SigningKey],
        issuer: str,
        *,
        now: Callable[[], float],
        random_id: Callable[[], str],
        callers: Callers = no_caller,
        consumer: Callable[[Mapping[str, Any]], str] = client_of,
    ) -> None:
        """`consumer` names the client of verified claims, as subscriptions know it."""
        self._key = keys[0]
        self._issuer = issuer
        self._now = now
        self._random_id = random_id
        self._callers = callers
        self._consumer = consumer
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, question: bytes) -> Answer:
        """The JWT for a question of the script. Raises Problem 400 when it is not one."""
        now = int(self._now())
        with self._lock:
            known = self._answers.get(question)
        if known is not None and known.reusable_until > now:
            return known
        made = self._made(_read(question), now)
        with self._lock:
            self._answers[question] = made
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        return made

    def _made(self, asked: Mapping[str, Any], now: int) -> Answer:
        api, wanted, claims = asked["api"], asked["jwt"], asked["claims"]
        ttl = int(wanted["ttl"])
        payload = {
            **{name: value for name, value in claims.items() if _may_pass(name)},
            **_described(api, claims, self._consumer(claims), self._callers),
            **wanted["claims"],
            **({"sub": claims["sub"]} if isinstance(claims.get("sub"), str) else {}),
            # Nothing above may speak for these.
            "iss": self._issuer,
            "exp": now + ttl,
            "iat": now,
            "jti": self._random_id(),
        }
        return Answer(
            self._signed(payload, plain=wanted["encoding"] == "Base64"),
            now + ttl - max(1, min(60, ttl // 10)),
        )

    def _signed(self, payload: Mapping[str, Any], *, plain: bool) -> str:
        encode = base64url.encode
        if plain:
            encode = _padded_base64
        return sign_jwt(self._key, payload, encode=encode)


def _padded_base64(content: bytes) -> str:
    """APK's own variant of JWTs is in base64 with padding."""
    return base64.b64encode(content).decode("ascii")


def _may_pass(name: str) -> bool:
    """Whether a claim of the caller's token may be in the backend JWT."""
    return name not in RESTRICTED and not name.startswith(DIALECT)


def _described(
    api: Mapping[str, str], claims: Mapping[str, Any], consumer: str, find: Callers
) -> dict[str, Any]:
    """APK's claims about the call: the API, the application, the person."""
    person = ""
    if isinstance(claims.get("sub"), str):
        person = claims["sub"]
    known = None
    if consumer:
        known = find(consumer, api["organization"], api["name"], api["version"])
    application = known or _of_key(claims) or Caller(consumer, consumer, person)
    described = {
        "subscriber": application.owner or person or application.name,
        "applicationid": application.id,
        "applicationname": application.name,
        "applicationtier": application.tier,
        "applicationUUId": application.id,
        "apiname": api["name"],
        "apicontext": api["context"],
        "version": api["version"],
        "tier": application.subscription_tier,
        "keytype": api["keytype"],
        "usertype": "Application_User",
        "enduser": person or application.name,
        "enduserTenantId": "0",
    }
    return {
        "organizations": [api["organization"]],
        **{DIALECT + name: value for name, value in described.items()},
    }


def _of_key(claims: Mapping[str, Any]) -> Caller | None:
    """An API key in APK's form names its application itself."""
    found = claims.get("application")
    if not isinstance(found, dict):
        return None
    texts = {
        name: str(found.get(name) or "")
        for name in ("uuid", "id", "name", "owner", "tier")
    }
    return Caller(
        texts["uuid"] or texts["id"],
        texts["name"],
        texts["owner"],
        texts["tier"] or "Unlimited",
    )


def _read(question: bytes) -> Mapping[str, Any]:
    try:
        asked = read_json(question)
        shapes = [asked["api"], asked["jwt"], asked["claims"], asked["jwt"]["claims"]]
        objects = all(isinstance(item, dict) for item in shapes)
        fits = objects and isinstance(asked["jwt"]["ttl"], int)
    except (ValueError, KeyError, TypeError) as error:
        raise Problem.of(
            error_codes.CHECK_FAILED,
            "this is not a request for a backend JWT",
            status=400,
        ) from error
    if not fits:
        raise Problem.of(
            error_codes.CHECK_FAILED,
            "this is not a request for a backend JWT",
            status=400,
        )
    return asked  # type: ignore[no-any-return]  # its shape was checked just now
