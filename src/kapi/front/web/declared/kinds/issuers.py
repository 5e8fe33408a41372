"""The kind Issuer: the members of `[[identity.issuers]]`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from kapi.errors import Invalid, Problem
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.system.issuers import ISSUER_SCOPE
from kapi.identity.issuers.kept import declaration_text
from kapi.identity.issuers.trust import Trust
from kapi.settings import IssuerSettings
from kapi.settings.written.documents import differing

_USUAL = IssuerSettings("")


class Issuers:
    """The kind `Issuer`: trusted issuers."""

    name = "Issuer"
    scope = ISSUER_SCOPE
    events = ("issuer.add", "issuer.change", "issuer.remove")
    of_organization = False

    def __init__(self, trust: Trust, platform: str) -> None:
        """`platform` is the organization of the platform, whose callers manage those of all."""
        self._trust = trust
        self._platform = platform

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps of these issuers. Their keys are not fetched for a trial."""
        steps = []
        for item in items:
            settings = batch.mistakes.checked(item, IssuerSettings, item.members)
            if settings is None:
                continue
            self._check(item, settings, batch)
            before = self._trust.declaration(settings.name)
            there, seen, name = None, "", settings.name
            if before is not None:
                there, seen = differing(before, _USUAL), declaration_text(before)
            after, change = differing(settings, _USUAL), partial(self._keep, settings)
            read = partial(self._trust.stored, name)
            steps.append(
                Step(item, name, name, there, after, change, seen=seen, read=read)
            )
        return steps

    def remove(self, object_id: str, organization: str) -> None:
        """Trust an issuer no more."""
        declared = self._trust.declaration(object_id)
        is_other = declared is not None and declared.organization != organization
        if is_other and organization != self._platform:
            return  # An operator of the platform has given the issuer to others since.
        self._trust.remove(object_id)

    def stored(self) -> Iterable[Stored]:
        """The issuers, by name."""
        for followed in self._trust.followed():
            declared = self._trust.declaration(followed.issuer.name)
            if declared is not None:
                yield Stored(declared.name, differing(declared, _USUAL))

    def _check(self, item: Item, settings: IssuerSettings, batch: Batch) -> None:
        before = self._trust.declaration(settings.name)
        for declared in (settings, before):
            if declared is not None and batch.caller not in {"", declared.organization}:
                message = f"callers of {batch.caller} may declare issuers for {batch.caller} only"
                hint = f"Write organization: {batch.caller}."
                batch.mistakes.add(item, "organization", message, hint)
                return
        try:
            self._trust.check(settings)
        except Invalid as error:
            for mistake in error.diagnostics:
                where = mistake.pointer.removeprefix("#/").replace("/", ".")
                batch.mistakes.add(item, where, mistake.message, mistake.hint)
        except Problem as error:
            batch.mistakes.add(item, "", error.detail or error.title, error.hint)

    def _keep(self, settings: IssuerSettings) -> None:
        self._trust.add(settings, replace=True)
