"""The node of the policy, from the conf: the client of an API at a provider."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from kapi.apis.ir import Api, Endpoint, FilterSecret, SecretRef
from kapi.apis.model.conf import ApiConf, PolicyConf
from kapi.apis.model.rules import Fault, endpoint_of
from kapi.dataclass import dataclass
from kapi.policies.callers.browser_sign_in.conf import (
    BASIC,
    CALLBACK,
    SIGN_OUT,
    item_of,
)

NAME: Final = "browser_sign_in"
_SHORTEST_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class BrowserSignIn:
    """The client at the provider, and the provider's endpoints; None for the inbuilt one's."""

    policy: ClassVar[str] = NAME
    client_id: str
    client_secret: FilterSecret
    session_key: FilterSecret
    scopes: tuple[str, ...] = ("openid",)
    authorization_endpoint: str = ""
    token_endpoint: Endpoint | None = None
    end_session_endpoint: str = ""
    client_authentication: str = BASIC
    callback_path: str = CALLBACK
    sign_out_path: str = SIGN_OUT
    own: bool = False
    """Whether the operation is a path of the sign-in itself."""


def node_of(conf: ApiConf) -> BrowserSignIn | None:
    """The node of an API; None without the policy."""
    item = item_of(conf)
    return _node(item) if item else None


def _node(item: PolicyConf) -> BrowserSignIn:
    def secret(key: str, shortest: int = 1) -> FilterSecret:
        ref = SecretRef(item.parameter("secretName"), item.parameter(key), item.mark)
        return FilterSecret(ref, shortest)

    return BrowserSignIn(
        item.parameter("clientId"),
        secret("clientSecretKey"),
        secret("sessionSecretKey", _SHORTEST_KEY),
        tuple(dict.fromkeys(("openid", *item.parameter("scopes", ())))),
        item.parameter("authorizationEndpoint", ""),
        _token_endpoint(item),
        item.parameter("endSessionEndpoint", ""),
        item.parameter("clientAuthentication", BASIC),
        item.parameter("callbackPath", CALLBACK),
        item.parameter("signOutPath", SIGN_OUT),
    )


def _token_endpoint(item: PolicyConf) -> Endpoint | None:
    endpoint = endpoint_of(item.parameter("tokenEndpoint", ""))
    if isinstance(endpoint, Fault):
        return None
    names = item.parameter("tlsSecretName"), item.parameter("tlsSecretKey")
    certificate = SecretRef(*names, item.mark) if all(names) else None
    return replace(endpoint, certificate=certificate)


def is_at_inbuilt_provider(api: Api) -> bool:
    """Whether browsers sign in at the inbuilt provider."""
    nodes = [node for operation in api.operations for node in operation.policies]
    return any(
        isinstance(node, BrowserSignIn) and not node.token_endpoint for node in nodes
    )
