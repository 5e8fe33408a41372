"""The pages that add an object, change its members, and ask before something is done to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.front.web.console.calling import Refused, read_only
from kapi.front.web.console.console import PageRow, Visit, checked_form
from kapi.front.web.console.editing.answers import JSON, done
from kapi.front.web.console.editing.fields import (
    NEW,
    OLD,
    ON,
    SECRET,
    Field,
    NotJsonError,
    body_of,
    changes_of,
    text_of,
)
from kapi.front.web.console.editing.kinds import Action, Kind, kind_named
from kapi.front.web.console.editing.versions import version_of
from kapi.front.web.console.sessions import OPERATOR
from kapi.front.web.http.problems import body_of as problem_body

_FIELD_BYTES: Final = 32 * 1024
_SURE, _ID, _SEEN = "sure", "id", "seen"


@dataclass(frozen=True, slots=True)
class Found:
    """An object that is changed: its identifier, its members, the ETag if it has one."""

    identifier: str
    row: Mapping[str, Any]
    etag: str


class EditPages:
    """The pages that add, change and remove objects."""

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        return (
            ("GET", "/add/{kind}", self.form),
            ("POST", "/add/{kind}", self.add),
            ("GET", "/change/{kind}", self.members),
            ("POST", "/change/{kind}", self.change),
            ("GET", "/edit/{kind}/{action}", self.ask),
            ("POST", "/edit/{kind}/{action}", self.act),
        )

    async def form(self, visit: Visit) -> Response:
        """The form for a new object. Raises Refused for a reader."""
        kind = _kind(visit)
        values = _first(kind.fields)
        if "organization" in values:
            values["organization"] = visit.session.organization
        return _form(visit, kind, values)

    async def add(self, visit: Visit) -> Response:
        """Add an object; its secret, if it has one, is shown this once."""
        kind = _kind(visit)
        given = await _given(visit, kind.fields)
        try:
            body = orjson.dumps(body_of(kind.fields, given))
            answer = await visit.apis.call(
                "POST", f"/api/{kind.name}", body=body, media_type=JSON
            )
        except Refused as refused:
            return _form(visit, kind, given, refused)
        return done(visit, kind, answer)

    async def members(self, visit: Visit) -> Response:
        """The form with the members of an object. Raises Refused for a reader."""
        kind = _changeable(visit)
        found = await _found(visit, kind, visit.request.query_params.get(_ID, ""))
        given = {field.name: text_of(field, found.row) for field in kind.changes}
        return _changing(visit, kind, found, given)

    async def change(self, visit: Visit) -> Response:
        """Change the members whose text is another one; the others are not sent."""
        kind = _changeable(visit)
        given = await _given(visit, kind.changes, _ID, _SEEN, NEW, OLD)
        found = await _found(visit, kind, given.get(_ID, ""))
        if given.get(_SEEN) != version_of(kind.changes, found.row):
            return _changing(visit, kind, found, given, _outdated())
        try:
            patch = changes_of(kind.changes, given, found.row)
        except NotJsonError as error:
            return _changing(visit, kind, found, given, _not_json(error))
        if not patch:
            return done(visit, kind)
        try:
            answer = await visit.apis.call(
                "PATCH",
                kind.path_of(found.identifier),
                body=orjson.dumps(patch),
                media_type=JSON,
                if_match=found.etag,
            )
        except Refused as refused:
            return _changing(visit, kind, found, given, refused)
        return done(visit, kind, answer)

    async def ask(self, visit: Visit) -> Response:
        """Ask before an action. Raises Refused for a reader."""
        kind, action = _kind(visit), _action(visit)
        identifier = visit.request.query_params.get(_ID, "")
        return _asking(visit, kind, action, identifier, _first(action.fields))

    async def act(self, visit: Visit) -> Response:
        """Do it, after what cannot be undone was confirmed."""
        kind, action = _kind(visit), _action(visit)
        given = await _given(visit, action.fields, _ID, _SURE)
        identifier = given.get(_ID, "")
        if not identifier and action not in kind.common:
            raise _not_found()
        if action.is_final and given.get(_SURE) != ON:
            return _asking(visit, kind, action, identifier, given, _unconfirmed())
        body, media_type = b"", ""
        if action.body is not None:
            body = orjson.dumps({**action.body, **body_of(action.fields, given)})
            media_type = JSON
        path = action.path_of(identifier)
        try:
            answer = await visit.apis.call(
                action.method, path, body=body, media_type=media_type
            )
        except Refused as refused:
            if not action.fields:
                raise
            return _asking(visit, kind, action, identifier, given, refused)
        return done(visit, kind, answer)


def _kind(visit: Visit) -> Kind:
    """The kind of the path. Raises Refused for a reader, Problem 404 for an unknown kind."""
    if visit.session.role != OPERATOR:
        raise read_only()
    kind = kind_named(visit.request.path_params["kind"])
    if kind is None:
        raise _not_found()
    return kind


def _changeable(visit: Visit) -> Kind:
    kind = _kind(visit)
    if not kind.changes:
        raise _not_found()
    return kind


def _action(visit: Visit) -> Action:
    action = _kind(visit).action(visit.request.path_params["action"])
    if action is None:
        raise _not_found()
    return action


async def _given(visit: Visit, fields: tuple[Field, ...], *more: str) -> dict[str, str]:
    """The texts of a form of this session, with the line ends of Unix."""
    limits = dict.fromkeys((*(field.name for field in fields), *more), _FIELD_BYTES)
    form = await checked_form(visit, limits)
    return {name: part.text(name).replace("\r\n", "\n") for name, part in form.items()}


async def _found(visit: Visit, kind: Kind, identifier: str) -> Found:
    """The object. Raises Refused, Problem 404."""
    if not identifier:
        raise _not_found()
    answer = await visit.apis.call("GET", kind.path_of(identifier))
    return Found(identifier, answer.value, answer.headers.get("etag", ""))


def _first(fields: tuple[Field, ...]) -> dict[str, str]:
    return {field.name: field.value for field in fields}


def _refused(problem: Problem) -> Refused:
    return Refused(problem.status, problem_body(problem))


def _not_found() -> Problem:
    return Problem.of(error_codes.NOT_FOUND, detail="There is no such page.")


def _unconfirmed() -> Refused:
    return _refused(
        Problem.of(
            error_codes.INVALID_SYSTEM_REQUEST,
            "Nothing was done",
            detail="It cannot be undone, and was not confirmed.",
            hint="Select the box above the button.",
        )
    )


def _outdated() -> Refused:
    return _refused(
        Problem.of(
            error_codes.INVALID_SYSTEM_REQUEST,
            "Nothing was changed",
            detail="Another person changed it since this page was opened.",
            hint="Below each field that differs is its current value. Check, and send again.",
            status=409,
        )
    )


def _not_json(error: NotJsonError) -> Refused:
    return _refused(
        Problem.of(
            error_codes.INVALID_SYSTEM_REQUEST,
            f"{error.label} is not JSON",
            hint='Write a JSON value: 7, true, "text", ["a", "b"], {"name": "value"}, null.',
        )
    )


def _shown(fields: tuple[Field, ...], given: Mapping[str, str]) -> dict[str, str]:
    """What was typed, but no secret."""
    values = {}
    for field in fields:
        values[field.name] = "" if field.form == SECRET else given.get(field.name, "")
    return values


def _told(refused: Refused | None) -> tuple[Mapping[str, Any] | None, int]:
    """The problem of a page, and its status."""
    if refused is None:
        return None, 200
    return refused.problem, refused.status


def _form(
    visit: Visit, kind: Kind, given: Mapping[str, str], refused: Refused | None = None
) -> Response:
    """The form, with what was typed but secrets, and with the mistakes."""
    problem, status = _told(refused)
    values = _shown(kind.fields, given)
    return visit.page(
        "add.html", status=status, kind=kind, values=values, problem=problem
    )


def _changing(
    visit: Visit,
    kind: Kind,
    found: Found,
    given: Mapping[str, str],
    refused: Refused | None = None,
) -> Response:
    """The form of the members; below each that was changed since, its current value."""
    problem, status = _told(refused)
    values = _shown(kind.changes, given)
    current = {}
    for field in kind.changes:
        text = text_of(field, found.row)
        if text != values[field.name]:
            current[field.name] = text
    return visit.page(
        "change.html",
        status=status,
        kind=kind,
        identifier=found.identifier,
        seen=version_of(kind.changes, found.row),
        values=values,
        current=current,
        member=(given.get(NEW, ""), given.get(OLD, "")),
        problem=problem,
    )


def _asking(
    visit: Visit,
    kind: Kind,
    action: Action,
    identifier: str,
    given: Mapping[str, str],
    refused: Refused | None = None,
) -> Response:
    problem, status = _told(refused)
    return visit.page(
        "confirm.html",
        status=status,
        kind=kind,
        action=action,
        identifier=identifier,
        values=_shown(action.fields, given),
        problem=problem,
    )
