"""What the pages of one sign-in share: the choice of an account, and consent."""

from __future__ import annotations

from typing import Any

from kapi.identity.authorization.interactions import Interaction, interaction_of
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.pages.clients import about_client
from kapi.identity.people.sessions import Session
from kapi.identity.protocol.forms import Form, sent_form
from kapi.identity.protocol.http import Request
from kapi.identity.protocol.sealed import Seal
from kapi.settings import IdentitySettings
from kapi.store.records import Records


def key_in(form: Form) -> str | None:
    """The key of the waiting request that a link or form names."""
    return form.get("sessionKey") or form.get("stateKey")


def continued(
    seal: Seal, records: Records, request: Request
) -> tuple[Form, Interaction]:
    """The form of a request, and the waiting request that it continues. Raises OAuthError."""
    form = sent_form(request)
    return form, interaction_of(seal, records, request, key_in(form))


def shown(
    identity: IdentitySettings,
    asked: AuthorizationRequest,
    interaction: Interaction,
    session: Session,
) -> dict[str, Any]:
    """The values of such a page: the client, the person and the waiting request."""
    return {
        **about_client(identity, asked.client),
        "leads_to": asked.redirect_uri,
        "user": session.username,
        "organization": session.organization,
        "key": interaction.key,
    }
