"""Who may call, as a SecurityPolicy of Envoy Gateway: JWT providers, or API keys of a Secret. Pure.

Each issuer is a JWT provider for each kind of credentials; one of them is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kapi.policies.authentication.node import Authentication, Credential
from kapi.policies.kubernetes import (
    HeaderChanges,
    KeyAddress,
    KubernetesPlace,
    KubernetesRoute,
    NotPossible,
)

CLIENT_HEADER = "x-api-client"
"""Header for the backend: the client whose API key was used."""
_OWN_GATEWAY = "or deploy the API to kapi's gateway."
_MOST_AUDIENCES = 8


def kubernetes(node: Authentication, at: KubernetesPlace) -> KubernetesRoute:
    """The providers, and the headers that the backend does not see."""
    hidden = tuple(
        dict.fromkeys(name for item in node.credentials for name in item.hidden)
    )
    if not node.required:
        kept = tuple(name for name in hidden if name != "authorization")
        return KubernetesRoute(request_headers=HeaderChanges(remove=kept))
    faults = tuple(_faults(node, at))
    if faults:
        return KubernetesRoute(not_possible=faults)
    headers = HeaderChanges(remove=hidden)
    if node.kinds == {"APIKey"}:
        return KubernetesRoute(
            {"apiKeyAuth": _api_keys(node, at)}, request_headers=headers
        )
    found = [_provider(issuer, item, at) for issuer, item in providers(node, at)]
    return KubernetesRoute({"jwt": {"providers": found}}, request_headers=headers)


def providers(
    node: Authentication, at: KubernetesPlace
) -> list[tuple[KeyAddress, Credential]]:
    """The pairs of issuer and credential for which there is a provider."""
    return [(issuer, item) for issuer in at.serving for item in node.credentials]


def provider_name(issuer: KeyAddress, item: Credential) -> str:
    """The name of a provider within its policy."""
    if item.kind == "OAuth2":
        return issuer.name
    return f"{issuer.name}-{item.kind.lower()}"


def _faults(node: Authentication, at: KubernetesPlace) -> Iterator[NotPossible]:
    if node.certificates:
        hint = "Require certificates for all APIs: clientValidation of a ClientTrafficPolicy."
        yield NotPossible(
            "client certificates (mTLS) of one API", f"{hint} Remove mTLS here."
        )
    if node.dpop:
        yield NotPossible("proofs of possession (DPoP)", f"Remove dpop, {_OWN_GATEWAY}")
    if "APIKey" in node.kinds and node.kinds != {"APIKey"}:
        hint = f"Accept one of the two, {_OWN_GATEWAY}"
        yield NotPossible("API keys as an alternative to tokens", hint)
    if node.kinds - {"APIKey"}:
        yield from _faults_of_tokens(node, at)


def _faults_of_tokens(
    node: Authentication, at: KubernetesPlace
) -> Iterator[NotPossible]:
    if not at.serving:
        hint = "Enable the inbuilt provider, or declare an issuer in identity.issuers."
        yield NotPossible("no issuer is trusted for this API", hint)
    for issuer in at.serving:
        if not issuer.jwks_uri:
            hint = "Declare it with jwks_uri."
            yield NotPossible(
                f"the address of the keys of {issuer.name} is not known", hint
            )
    for issuer, item in providers(node, at):
        audiences = _audiences(issuer, item)
        if audiences is None:
            hint = "Let `audience` name one of the issuer's audiences."
            yield NotPossible(
                f"no audience is right for the API and for {issuer.name}", hint
            )
        elif len(audiences) > _MOST_AUDIENCES:
            yield NotPossible(
                f"more than {_MOST_AUDIENCES} audiences",
                f"Name at most {_MOST_AUDIENCES}.",
            )


def _audiences(issuer: KeyAddress, item: Credential) -> list[str] | None:
    """Of which a token needs one; none at all is any. None if the two lists exclude each other."""
    if not issuer.audiences or not item.audiences:
        return list(item.audiences or issuer.audiences)
    return [name for name in item.audiences if name in issuer.audiences] or None


def _provider(
    issuer: KeyAddress, item: Credential, at: KubernetesPlace
) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "name": provider_name(issuer, item),
        "issuer": issuer.issuer,
        "remoteJWKS": _keys(issuer, at),
        "extractFrom": _extracted(item),
    }
    audiences = _audiences(issuer, item)
    if audiences:
        provider["audiences"] = audiences
    if issuer.claim_mappings:
        provider["claimToHeaders"] = [
            {"claim": claim, "header": header}
            for claim, header in issuer.claim_mappings
        ]
    return provider


def _keys(issuer: KeyAddress, at: KubernetesPlace) -> dict[str, Any]:
    keys: dict[str, Any] = {"uri": issuer.jwks_uri}
    if issuer.in_cluster:
        backend: dict[str, Any] = {
            "group": "gateway.envoyproxy.io",
            "kind": "Backend",
            "name": keys_backend(at.settings.gateway),
            "port": int(at.settings.jwks_backend.rpartition(":")[2]),
        }
        if at.settings.of_gateway != at.settings.namespace:
            backend["namespace"] = at.settings.of_gateway
        keys["backendRefs"] = [backend]
    return keys


def keys_backend(gateway: str) -> str:
    """The name of the Backend of the inbuilt provider's keys."""
    return f"{gateway}-keys"


def _extracted(item: Credential) -> dict[str, Any]:
    places: dict[str, Any] = {}
    if item.header:
        header = {"name": item.header}
        if item.kind == "OAuth2":
            header["valuePrefix"] = "Bearer "
        places["headers"] = [header]
    if item.query:
        places["params"] = [item.query]
    return places


def _api_keys(node: Authentication, at: KubernetesPlace) -> dict[str, Any]:
    headers, params = [], []
    for item in node.credentials:
        if item.header:
            headers.append(item.header)
        if item.query:
            params.append(item.query)
    places = []
    if headers:
        places = [{"headers": headers}]
    places += [{"params": params}] if params else []
    return {
        "credentialRefs": [{"name": at.settings.api_keys_secret}],
        "extractFrom": places,
        "forwardClientIDHeader": CLIENT_HEADER,
        "sanitize": not any(item.send_to_upstream for item in node.credentials),
    }
