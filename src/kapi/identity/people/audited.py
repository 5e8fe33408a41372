"""Entries of the audit log for what people do at the provider's pages.

Their class is that of sign-ins, so that they do not push out changes by operators.
"""

from __future__ import annotations

from kapi.audit import Record
from kapi.identity.people.sessions import Session
from kapi.identity.protocol.http import Request
from kapi.store.audit import SIGN_IN, SUCCESS, Event


def tell_decision(
    record: Record,
    request: Request,
    session: Session,
    asked: tuple[str, str],
    *,
    allowed: bool,
) -> None:
    """A person allowed or denied a client something: its id, and the scopes."""
    client_id, scope = asked
    event = "consent.deny"
    if allowed:
        event = "consent.allow"
    tell(record, request, session, event, client_id, detail=scope)


def tell_sign_out(
    record: Record, request: Request, session: Session, detail: str = ""
) -> None:
    """A person signed out in the browser of the request."""
    tell(record, request, session, "sign_out", session.sid, detail=detail)


def tell_one_click(
    record: Record, request: Request, username: str, organization: str
) -> None:
    """A person was signed in without a password."""
    record(
        Event(
            "sign_in",
            SUCCESS,
            detail="one click",
            subject=username,
            address=request.network,
            organization=organization,
            class_=SIGN_IN,
        )
    )


def tell(
    record: Record,
    request: Request,
    session: Session,
    event: str,
    target: str,
    *,
    detail: str = "",
    class_: str = SIGN_IN,
) -> None:
    """Something that the person of a session did; the subject is the user name."""
    record(
        Event(
            event,
            SUCCESS,
            target=target,
            detail=detail,
            subject=session.username,
            address=request.network,
            organization=session.organization,
            class_=class_,
        )
    )
