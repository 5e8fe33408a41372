"""The kind API: a conf and its definition, as texts."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from kapi.apis.merge import Placement
from kapi.errors import Diagnostic
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.deployment.planning import Planned, Upload, placement_of
from kapi.settings import ApisSettings
from kapi.store import Store, StoredApi

_MEMBERS: Final = ("conf", "definition")
_SOURCES: Final = {"apkConfiguration": "conf", "definitionFile": "definition"}


class Apis:
    """The kind `Api`: deployed APIs."""

    name = "API"
    scope = DEPLOY_SCOPE
    events = ("api.deploy", "api.deploy", "api.undeploy")
    of_organization = True

    def __init__(
        self, settings: ApisSettings, store: Store, deployer: Deployer
    ) -> None:
        limits = (settings.max_conf_bytes, settings.max_definition_bytes)
        self._limits = dict(zip(_MEMBERS, limits, strict=True))
        self._store = store
        self._deployer = deployer

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps. APIs whose files are the same as before are not compiled."""
        uploads = {}
        for item in items:
            found = self._upload(item, batch)
            if found is not None:
                uploads[item] = found
        known = dict(self._deployed(batch.organization)) if uploads else {}
        steps, changed = [], {}
        for item, upload in uploads.items():
            same = known.get(_digest(upload))
            if same is None:
                changed[item] = upload
            else:
                steps.append(self._step(item, upload, placement_of(same), batch))
        planning = self._deployer.planning(batch.secrets)
        plans = planning.plan(tuple(changed.values()), batch.organization, batch.beside)
        for (item, upload), plan in zip(changed.items(), plans, strict=True):
            for mistake in plan.mistakes:
                batch.mistakes.keep(_placed(mistake, item))
            steps += self._steps_of(item, upload, plan, batch)
        return sorted(steps, key=lambda step: step.item.number)

    def remove(self, object_id: str, organization: str) -> None:
        """Undeploy an API."""
        self._deployer.undeploy(object_id, organization)

    def stored(self) -> Iterable[Stored]:
        """All deployed APIs."""
        for api in sorted(self._deployer.deployed, key=lambda api: api.id):
            source = self._store.api_source(api.id)
            if source is not None:
                parts = {"conf": source[0], "definition": written(source[1])}
                yield Stored(api.id, parts, api.organization)

    def _upload(self, item: Item, batch: Batch) -> Upload | None:
        before = len(batch.mistakes.found)
        for name in item.members:
            if name not in _MEMBERS:
                batch.mistakes.add(
                    item, name, "unknown member", f"Known: {', '.join(_MEMBERS)}."
                )
        texts = {}
        for name in _MEMBERS:
            content = _content(item.members.get(name))
            if content is None:
                message = "must be the text of the file, or {base64: …}"
                batch.mistakes.add(item, name, message)
                continue
            texts[name] = content
            if len(texts[name]) > self._limits[name]:
                message = f"has more than {self._limits[name]} bytes"
                batch.mistakes.add(item, name, message, "Split it into several APIs.")
        if len(batch.mistakes.found) > before:
            return None
        return Upload(texts["conf"], texts["definition"])

    def _deployed(self, organization: str) -> Iterator[tuple[bytes, StoredApi]]:
        for api in self._deployer.list(organization):
            source = self._store.api_source(api.id)
            if source is not None:
                yield _digest(Upload(source[0].encode(), source[1])), api

    def _steps_of(
        self, item: Item, upload: Upload, plan: Planned, batch: Batch
    ) -> Iterator[Step]:
        if plan.api is not None:
            yield self._step(item, upload, placement_of(plan.api), batch)

    def _step(self, item: Item, upload: Upload, place: Placement, batch: Batch) -> Step:
        before, source = None, self._store.api_source(place.id)
        if source is not None:
            before = {"conf": source[0], "definition": _readable(source[1])}
        after = {
            "conf": upload.conf.decode("utf-8-sig", "replace"),
            "definition": _readable(upload.definition),
        }
        change = partial(self._deploy, upload, batch.organization)
        name = f"{place.name} {place.version}"
        return Step(item, place.id, name, before, after, change, placement=place)

    def _deploy(self, upload: Upload, organization: str) -> None:
        self._deployer.deploy(upload.conf, upload.definition, organization)


def written(content: bytes) -> str | dict[str, str]:
    """The content of a file as a JSON value: its text, or `{"base64": …}` if it is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def _content(value: Any) -> bytes | None:
    """What `written` has written, or None."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict) or not isinstance(value.get("base64"), str):
        return None
    try:
        return base64.b64decode(value["base64"], validate=True)
    except ValueError:
        return None


def _readable(content: bytes) -> str:
    """The text of a file, for people; of another file, its digest."""
    made = written(content)
    if isinstance(made, str):
        return made
    return f"({len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()})\n"


def _digest(upload: Upload) -> bytes:
    conf = hashlib.sha256(upload.conf.removeprefix(b"\xef\xbb\xbf")).digest()
    return conf + hashlib.sha256(upload.definition).digest()


def _placed(mistake: Diagnostic, item: Item) -> Diagnostic:
    """A mistake of the files, with the object in its source."""
    member = _SOURCES.get(mistake.source, "conf")
    return dataclasses.replace(mistake, source=f"#/objects/{item.number}/{member}")
