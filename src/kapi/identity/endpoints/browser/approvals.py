"""The page where a person allows or denies the requests of applications elsewhere (CIBA)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.audit import Record as AuditRecord
from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.decoupled.requests import DecoupledRequests, decide, pending_of
from kapi.identity.grants.ciba import KIND, owner_of
from kapi.identity.pages import error_page, page, see_other
from kapi.identity.pages.clients import about_client
from kapi.identity.people.audited import tell_decision
from kapi.identity.people.consents import in_words
from kapi.identity.people.page_session import PageSignIn, session_here
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    form_token,
    form_token_is_right,
)
from kapi.identity.protocol.forms import Form, sent_form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings
from kapi.store.records import Record, Records

methods = ("GET", "POST")
quick = False
cross_origin = False
PATH = "/authenticationEndpoint/approvals"


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


@dataclass(frozen=True, slots=True)
class ApprovalsPage:
    """The values that the page needs."""

    identity: IdentitySettings
    signing_in: PageSignIn
    requests: DecoupledRequests
    registry: ClientRegistry
    record: AuditRecord
    """Appends to the audit log."""


def needs(provider: Provider) -> ApprovalsPage:
    """The values for sign-in and waiting requests."""
    return ApprovalsPage(
        provider.settings.identity,
        provider.page_sign_in,
        provider.decoupled_requests,
        provider.registry,
        provider.record,
    )


def answer(given: ApprovalsPage, request: Request) -> Answer:
    """Sign-in, the page, or the decision."""
    try:
        form = sent_form(request)
        session = session_here(
            given.signing_in, request, form, PATH, "what applications ask of you"
        )
        if isinstance(session, Answer):
            return session
        if request.method == "POST" and form_token_is_right(
            request, f"approvals{session.sid}", form.get("token")
        ):
            _decide(given, request, session, form)
            return see_other(PATH)
        return _page(given, request, session)
    except OAuthError as error:
        return error_page(given.signing_in.base_url, error)


def _waiting(records: Records, session: Session, now: int) -> list[Record]:
    found = records.family(KIND, owner_of(session.user), now)
    return [record for record in found if pending_of(record).is_open(now)]


def _decide(
    given: ApprovalsPage, request: Request, session: Session, form: Form
) -> None:
    now = request.now
    waiting = {
        record.key: record for record in _waiting(given.requests.records, session, now)
    }
    record = waiting.get(form.get("request") or "")
    if record is None:
        return
    pending = pending_of(record)
    authorization = None
    if form.get("decision") == "allow":
        authorization = session.authorization(
            pending.client_id, pending.scope
        ).payload()
    if decide(given.requests, KIND, record.key, now, authorization):
        about, allowed = (pending.client_id, pending.scope), authorization is not None
        tell_decision(given.record, request, session, about, allowed=allowed)


def _page(given: ApprovalsPage, request: Request, session: Session) -> Answer:
    waiting = []
    for record in _waiting(given.requests.records, session, request.now):
        pending = pending_of(record)
        client = given.registry.client(pending.client_id, request.now)
        if client is not None:
            about = about_client(given.identity, client)
            asked = {
                "key": record.key,
                "message": pending.message,
                "scopes": in_words(
                    given.identity.scope_descriptions,
                    pending.scope,
                ),
            }
            waiting.append(
                {**asked, "client": about["client"], "links": about["links"]}
            )
    return page(
        given.signing_in.base_url,
        "approvals.html",
        user=session.username,
        organization=session.organization,
        waiting=waiting,
        action=PATH,
        token=form_token(request.cookies[BROWSER], f"approvals{session.sid}"),
    )
