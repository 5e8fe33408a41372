"""The device authorization endpoint (RFC 8628 §3.1, §3.2): codes for a device and its person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.client_authentication import authenticate_client
from kapi.identity.client_authentication.method import ClientAuthentication
from kapi.identity.decoupled.requests import DecoupledRequests, Pending, ask
from kapi.identity.decoupled.user_codes import KIND, new_user_code, owner_of, shown
from kapi.identity.endpoints.browser.device import DEVICE_PATH
from kapi.identity.grants.device_code import facts
from kapi.identity.protocol.forms import check_media_type, parse_form
from kapi.identity.protocol.http import Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.protocol.scopes import granted_scope
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings

methods = ("POST",)
quick = False
PATH = "/oauth2/device_authorization"
INTERVAL = 5


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:
    """Its address (RFC 8628 §4)."""
    return {"device_authorization_endpoint": f"{published.base_url}{PATH}"}


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """The values that device authorization needs."""

    clients: ClientAuthentication
    identity: IdentitySettings
    requests: DecoupledRequests
    base_url: str
    """The URL of the provider's root."""
    random_bytes: Callable[[int], bytes]
    new_secret: Callable[[], str]


def needs(provider: Provider) -> DeviceAuthorization:
    """The values for clients and requests of devices."""
    return DeviceAuthorization(
        clients=provider.client_authentication,
        identity=provider.settings.identity,
        requests=provider.decoupled_requests,
        base_url=provider.base_url,
        random_bytes=provider.random_bytes,
        new_secret=provider.new_secret,
    )


def answer(given: DeviceAuthorization, request: Request) -> Answer:
    """The two codes. Raises OAuthError."""
    check_media_type(request.header("content-type") or "")
    form = parse_form(request.body)
    client = authenticate_client(
        given.clients, form.values, request.credentials, request.now
    )
    if facts.grant_type not in client.grants:
        raise OAuthError(
            "unauthorized_client", "The client may not use the device code grant"
        )
    scope = granted_scope(client, form.get("scope"))
    lifetime = given.identity.device_code_lifetime
    device_code = given.new_secret()
    user_code = new_user_code(given.requests.records, given.random_bytes, request.now)
    pending = Pending(client.id, scope, request.now + lifetime, INTERVAL)
    ask(
        given.requests,
        client,
        request,
        KIND,
        device_code,
        pending,
        owner_of(user_code),
    )
    page = f"{given.base_url}{DEVICE_PATH}"
    return json_answer({
        "device_code": device_code,
        "user_code": shown(user_code),
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={shown(user_code)}",
        "expires_in": lifetime,
        "interval": INTERVAL,
    })  # fmt: skip
