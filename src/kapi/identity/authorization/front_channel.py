"""Tokens in authorization responses (OpenID Connect Core §3.2.2.5, §3.3.2.5).

Called by the last step of an authorization request whose response type contains `id_token`.
"""

from __future__ import annotations

from kapi.errors import OAuthError
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.clients.response_types import carries_tokens
from kapi.identity.people.authorized import Authorization
from kapi.identity.tokens.person_tokens import (
    PersonTokens,
    access_token,
    front_channel_issue,
    id_token,
)


def token_parameters(
    tokens: PersonTokens,
    request: AuthorizationRequest,
    authorization: Authorization,
    code: str,
) -> dict[str, str]:
    """The tokens of the response to a request; `code` is the code beside them, or empty.

    Raises OAuthError access_denied when the person was removed meanwhile.
    """
    words = request.response_type.split(" ")
    if not carries_tokens(request.response_type):
        return {}
    user = tokens.users.get(authorization.user)
    if user is None:
        raise OAuthError("access_denied", "The person does not exist any more")
    made: dict[str, str] = {}
    client, now = request.client, request.now
    if "token" in words:
        issue = front_channel_issue(tokens, client, authorization, now)
        access = access_token(tokens, client, authorization, user, issue)
        made = {
            "access_token": tokens.minting.mint(
                client, access, request.parameters.values, now
            ),
            "token_type": "Bearer",
            "expires_in": str(access.lifetime),
            "scope": access.scope,
        }
    made["id_token"] = id_token(
        tokens,
        client,
        authorization,
        user,
        now,
        access_token=made.get("access_token", ""),
        code=code,
        alone=words == ["id_token"],
    )
    return made
