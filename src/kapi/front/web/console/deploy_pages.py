"""The pages that deploy an API: the files, what would change, and every mistake with its line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from kapi.front.web.console.calling import Refused, read_only
from kapi.front.web.console.console import PageRow, Visit, checked_form
from kapi.front.web.console.sessions import OPERATOR
from kapi.front.web.http.conf_form import CONF, DEFINITION
from kapi.front.web.http.multipart import Part
from kapi.identity.clients.console_client import START_PATH
from kapi.settings import ApisSettings

_MOST_LINES: Final = 5000
"""Lines of a document that are compared; a longer one is shown as new."""
_MOST_SHOWN: Final = 400
"""Lines of a difference that are shown."""


class DeployPages:
    """The pages, bound to the limits of documents."""

    def __init__(self, apis: ApisSettings) -> None:
        self._limits = {
            CONF: apis.max_conf_bytes,
            DEFINITION: apis.max_definition_bytes,
        }

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        return (
            ("GET", "/deploy", self.files),
            ("POST", "/deploy", self.plan),
            ("POST", "/deploy/now", self.deploy),
        )

    async def files(self, visit: Visit) -> Response:
        """The form for the two files. Raises Refused for a reader."""
        if visit.session.role != OPERATOR:
            raise read_only()
        return _form(visit)

    async def plan(self, visit: Visit) -> Response:
        """What would change, or every mistake. Nothing is deployed."""
        conf, definition = await self._uploaded(visit)
        if not definition:
            problem = {"message": "The definition is missing", "diagnostics": ()}
            return _form(visit, problem, conf, definition)
        try:
            if not conf:
                conf = await _generated(visit, definition)
            planned = await _planned(visit, conf, definition)
        except Refused as refused:
            return _form(visit, refused.problem, conf, definition, refused.status)
        lines = await run_in_threadpool(_differences, planned)
        return visit.page(
            "plan.html",
            planned=planned,
            lines=lines[:_MOST_SHOWN],
            more=len(lines) - _MOST_SHOWN,
            conf=conf,
            definition=definition,
        )

    async def deploy(self, visit: Visit) -> Response:
        """Deploy the two documents."""
        conf, definition = await self._uploaded(visit)
        body, media_type = _multipart({CONF: conf, DEFINITION: definition})
        path = "/api/deployer/apis/deploy"
        try:
            await visit.apis.call("POST", path, body=body, media_type=media_type)
        except Refused as refused:
            return _form(visit, refused.problem, conf, definition, refused.status)
        return RedirectResponse(START_PATH, 303)

    async def _uploaded(self, visit: Visit) -> tuple[str, str]:
        """The texts of conf and definition; empty for what is not there. Raises Problem."""
        form = await checked_form(visit, self._limits)
        # A browser writes line ends of its own into the fields of a form.
        return _text(form, CONF), _text(form, DEFINITION)


def _text(form: Mapping[str, Part], name: str) -> str:
    """The text of a document; empty if it is not there. Raises Problem if it is not UTF-8."""
    part = form.get(name, Part(b""))
    part.text(name)
    return part.content.decode("utf-8-sig").replace("\r\n", "\n")


def _form(
    visit: Visit,
    problem: Mapping[str, Any] | None = None,
    conf: str = "",
    definition: str = "",
    status: int = 400,
) -> Response:
    """The form, with the mistakes of what was sent."""
    found = []
    for item in (problem or {}).get("diagnostics", ()):
        of_definition = item["source"].endswith(("definition", DEFINITION))
        name, text = ("definition", definition) if of_definition else ("conf", conf)
        found.append(({**item, "source": name}, _excerpt(text, item)))
    return visit.page(
        "deploy.html",
        status=status if problem else 200,
        problem=problem,
        diagnostics=found,
        conf=conf,
        definition=definition,
    )


def _excerpt(text: str, item: Mapping[str, Any]) -> str:
    """The line of a mistake, with a caret below its column; empty if its place is unknown."""
    lines, line, column = text.splitlines(), int(item["line"]), int(item["column"])
    if not 0 < line <= len(lines):
        return ""
    head = f"{line} | "
    shown = f"{head}{lines[line - 1][:200]}"
    if not 0 < column <= 200:
        return shown
    return f"{shown}\n{' ' * (len(head) + column - 1)}^"


async def _planned(visit: Visit, conf: str, definition: str) -> dict[str, Any]:
    objects = [{"kind": "API", "conf": conf, "definition": definition}]
    body = orjson.dumps({"objects": objects, "dryRun": True})
    answer = await visit.apis.call(
        "POST", "/api/apply", body=body, media_type="application/json"
    )
    return dict(answer.value["objects"][0])


async def _generated(visit: Visit, definition: str) -> str:
    """A conf for the definition."""
    body, media_type = _multipart({"definition": definition})
    path = "/api/configurator/apis/generate-configuration"
    answer = await visit.apis.call("POST", path, body=body, media_type=media_type)
    return answer.body.decode("utf-8")


def _multipart(files: Mapping[str, str]) -> tuple[bytes, str]:
    """A body with these files, and its media type. No file contains the random boundary."""
    boundary = os.urandom(16).hex()
    body = b""
    for name, text in files.items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="{name}.yaml"'
        body += f"--{boundary}\r\n{head}\r\n\r\n{text}\r\n".encode()
    return (
        body + f"--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


def _differences(planned: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lines of both documents with what happens to each: `add`, `remove`, `same` or `head`."""
    before, after = planned.get("before") or {}, planned.get("after") or {}
    lines: list[tuple[str, str]] = []
    for name in ("conf", "definition"):
        was, now = (str(texts.get(name, "")).splitlines() for texts in (before, after))
        lines += _lines(name, was[:_MOST_LINES], now[:_MOST_LINES])
    return lines


def _lines(name: str, was: list[str], now: list[str]) -> Iterator[tuple[str, str]]:
    for line in difflib.unified_diff(
        was, now, f"{name}, deployed", f"{name}, new", lineterm=""
    ):
        if line.startswith(("---", "+++", "@@")):
            yield "head", line
        else:
            yield _KINDS.get(line[:1], "same"), line


_KINDS: Final = {"+": "add", "-": "remove"}
