"""The consents API, `/api/consents`: which clients people of the inbuilt provider allowed what.

Ending a consent ends all tokens that the person authorized the client to get.
"""

from __future__ import annotations

from typing import Any, Final

from kapi import error_codes
from kapi.front.web.system.people_records import RecordKind
from kapi.identity.people.consents import Consent


def _shown(consent: Consent) -> dict[str, Any]:
    """A consent as JSON."""
    return {
        "id": consent.id,
        "user": consent.person.username,
        "subject": consent.person.subject,
        "organizations": list(consent.person.organizations),
        "client": consent.client_id,
        "clientName": consent.client_name,
        "scopes": list(consent.scopes),
        "givenAt": consent.given_at,
        "expiresAt": consent.expires_at,
    }


CONSENTS: Final = RecordKind(
    "consent",
    error_codes.CONSENT_NOT_FOUND,
    is_of=lambda consent, own: consent.person.is_of(own),
    audited=lambda consent: (consent.client_id, f"of {consent.person.username}"),
    shown=_shown,
)
