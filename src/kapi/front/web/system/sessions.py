"""The sessions API, `/api/sessions`: who is signed in at the inbuilt provider, and where.

An id is the one that clients get as `sid`; no answer contains a cookie. Ending a session is a
logout: its tokens end, and the clients that asked for it are told.
"""

from __future__ import annotations

from typing import Any, Final

from kapi import error_codes
from kapi.front.web.system.people_records import RecordKind
from kapi.identity.people.sessions import Session


def _shown(session: Session) -> dict[str, Any]:
    """A session as JSON: without its cookie."""
    return {
        "id": session.sid,
        "user": session.username,
        "subject": session.user,
        "organization": session.organization,
        "clients": list(session.clients),
        "amr": list(session.amr),
        "signedInAt": session.auth_time,
        "expiresAt": session.expires_at,
    }


SESSIONS: Final = RecordKind(
    "session",
    error_codes.SESSION_NOT_FOUND,
    is_of=lambda session, own: own in {"", session.organization},
    audited=lambda session: (session.sid, f"of {session.username}"),
    shown=_shown,
)
