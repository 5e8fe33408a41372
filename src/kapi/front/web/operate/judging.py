"""Whether each deployed API would let a token in, and if not, why. Asks the store, not the gateway.

What depends on more than the token (limits, the address of the caller, a body) is not judged. The
gateway has the clock of the machine, not that of a test issuer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kapi.apis.compile import compiler
from kapi.apis.ir import Api, Operation
from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.gateway.applications import Applications
from kapi.gateway.consumer_index import subscription_to
from kapi.identity.issuers.claims import as_scopes, has_audience
from kapi.identity.issuers.trials.token import token_steps
from kapi.identity.issuers.verify import INBUILT, IssuerKeys
from kapi.jose.claim_names import client_of
from kapi.jose.jwt import InvalidJwt, parse_jwt
from kapi.policies import POLICIES
from kapi.policies.authentication.node import Authentication
from kapi.policies.callers.scopes import Scopes
from kapi.policies.callers.subscriptions import Subscriptions
from kapi.settings import Settings
from kapi.store import Store, StoredApi
from kapi.store.gateway.applications import Application, ApplicationStore, ConsumerKey
from kapi.typed import first_of

Judgement = Mapping[str, Any]
_PUBLIC = "needs no token"


@dataclass(frozen=True, slots=True)
class _Token:
    """A token, and the issuer that verified it; `refusal` is empty when one did."""

    claims: Mapping[str, Any]
    issuer: IssuerKeys | None
    refusal: str

    @property
    def scopes(self) -> frozenset[str]:
        """Its scopes, in the claims of its issuer."""
        if self.issuer is None:
            return frozenset()
        return as_scopes(self.claims, self.issuer.issuer.scopes_claims)

    @property
    def client(self) -> str:
        """Its client, in the claim of its issuer."""
        if self.issuer is None:
            return ""
        return client_of(self.claims, self.issuer.issuer.client_claims)


class DeployedJudge:
    """Judges tokens for the APIs of one platform."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        issuers: Callable[[], Iterable[IssuerKeys]],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`issuers` returns all that are trusted, the inbuilt provider too."""
        self._store = store
        self._issuers = issuers
        self._compile = compiler(settings.gateway.ai_providers)
        self._now = now
        self._subscriptions = settings.subscriptions
        self._applications = Applications(
            settings, ApplicationStore(store.database), now
        )

    def __call__(self, token: str) -> list[Judgement]:
        """Each deployed API, and each of its operations with `result` and `why`."""
        return [self.of_api(stored, token) for stored in self._store.apis()]

    def of_api(self, stored: StoredApi, token: str) -> Judgement:
        """One API, and each of its operations with `result` and `why`."""
        made = {
            "api": stored.name,
            "version": stored.version,
            "organization": stored.organization,
            "base_path": stored.base_path,
        }
        api = self._compiled(stored)
        if api is None:
            return {
                **made,
                "lets_in": False,
                "why": "it no longer compiles",
                "operations": [],
            }
        found = self._verified(token, stored)
        subscription = self._subscription_refusal(stored, found)
        operations = [
            self._of_operation(api, operation, found, subscription)
            for operation in api.operations
        ]
        refused = [item["why"] for item in operations if item["result"] == "refused"]
        return {
            **made,
            "lets_in": len(refused) < len(operations),
            "why": "; ".join(dict.fromkeys(refused)),
            "operations": operations,
        }

    def _compiled(self, stored: StoredApi) -> Api | None:
        source = self._store.api_source(stored.id)
        if source is None:
            return None
        conf, definition = source
        try:
            return self._compile(
                conf.encode(),
                definition,
                organization=stored.organization,
                policies=POLICIES,
                restored=True,
            ).api
        except KapiError:
            return None

    def _verified(self, token: str, stored: StoredApi) -> _Token:
        """The token as the gateway verifies it for the APIs of an organization."""
        try:
            claims = parse_jwt(token.strip()).claims
        except InvalidJwt:
            return _Token(
                {}, None, "the token is not a JWT: the gateway cannot verify it"
            )
        trusted = list(self._trusted(stored))
        named = [item for item in trusted if item.issuer.is_named(claims.get("iss"))]
        if not named:
            known = ", ".join(item.issuer.issuer for item in trusted)
            why = f"iss is {str(claims.get('iss'))[:200]!r}; trusted here: {known}"
            return _Token(claims, None, why)
        faults = []
        for item in named:
            steps = token_steps(token, item.issuer, item.keys, int(self._now()))
            failed = [step for step in steps if step.result == "fail"]
            if not failed:
                return _Token(claims, item, "")
            faults += [f"{step.step}: {step.detail}" for step in failed]
        return _Token(claims, None, "; ".join(faults))

    def _trusted(self, stored: StoredApi) -> Iterable[IssuerKeys]:
        for item in self._issuers():
            if item.issuer.name == INBUILT:
                yield item
                continue
            places = item.issuer.environments
            here = not places or "*" in places or stored.environment in places
            if here and item.issuer.in_organization(stored.organization):
                yield item

    def _of_operation(
        self, api: Api, operation: Operation, token: _Token, subscription: str
    ) -> Judgement:
        made = {"verb": operation.verb, "target": operation.target}
        node = first_of(operation.policies, Authentication)
        if node is None or not node.required:
            return {**made, "result": "allowed", "why": _PUBLIC}
        checks = (
            _kind_refusal(node),
            token.refusal,
            _audience_refusal(node, api, token),
            _binding_refusal(node, token),
            _scope_refusal(operation, token),
            subscription if self._needs_subscription(operation) else "",
        )
        why = next(filter(None, checks), "")
        return {**made, "result": "refused" if why else "allowed", "why": why}

    def _needs_subscription(self, operation: Operation) -> bool:
        needed = any(isinstance(node, Subscriptions) for node in operation.policies)
        return needed or self._subscriptions.mandatory

    def _subscription_refusal(self, api: StoredApi, token: _Token) -> str:
        """Why no subscription of the token's client is good for the API, or an empty text."""
        for application in self._applications.all():
            key = _key_of(application, api, token.client)
            subscription = subscription_to(application, api)
            if key is None or subscription is None:
                continue
            return _status_refusal(subscription.status, key.key_type)
        return f"the client {token.client!r} has no subscription to the API (900908)"


def _key_of(
    application: Application, api: StoredApi, client: str
) -> ConsumerKey | None:
    for key in application.keys:
        if key.consumer_key == client and key.environment in {"", api.environment}:
            return key
    return None


def _status_refusal(status: str, key_type: str) -> str:
    """As `check_subscription` of the admission filter; a key of no type is good for sandboxes."""
    if status == "ACTIVE" or (
        status == "PROD_ONLY_BLOCKED" and key_type != "PRODUCTION"
    ):
        return ""
    if status in {"BLOCKED", "PROD_ONLY_BLOCKED"}:
        return "the subscription to the API is blocked (900907)"
    return f"the subscription to the API is {status}, not ACTIVE (900909)"


def _kind_refusal(node: Authentication) -> str:
    if "OAuth2" in node.kinds:
        return ""
    kinds = ", ".join(sorted(node.kinds)) or "a client certificate"
    return f"it takes no access token, but {kinds}"


def _audience_refusal(node: Authentication, api: Api, token: _Token) -> str:
    wanted = [name for item in node.credentials for name in item.audiences]
    if wanted and not has_audience(token.claims, wanted):
        said = token.claims.get("aud", "missing")
        return f"aud is {str(said)[:200]}; it demands {' or '.join(wanted)} (900901)"
    if node.bound and not wanted:
        listed = token.claims.get("aud", [])
        named = listed if isinstance(listed, list) else [listed]
        if not any(str(name).endswith(api.base_paths) for name in named):
            return f"aud must be the address of this API, which ends in {api.base_path} (RFC 8707)"
    return ""


def _binding_refusal(node: Authentication, token: _Token) -> str:
    if node.dpop == "mandatory" and "cnf" not in token.claims:
        return "it takes only tokens that are bound to a key (DPoP, RFC 9449)"
    return ""


def _scope_refusal(operation: Operation, token: _Token) -> str:
    node = first_of(operation.policies, Scopes)
    if node is None:
        return ""
    missing = sorted(set(node.scopes) - token.scopes)
    if missing:
        return f"the scope {', '.join(missing)} is missing (900910)"
    choices = node.alternatives
    if choices and not any(token.scopes.issuperset(choice) for choice in choices):
        shown = " or ".join(" ".join(choice) for choice in choices)
        return f"the scopes {shown} are missing (900910)"
    return ""
