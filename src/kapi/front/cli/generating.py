"""Makes a conf of a definition on the command line. Warnings and mistakes name the definition."""

from __future__ import annotations

import gc
from dataclasses import replace

from kapi.apis.definitions import detected_type
from kapi.apis.generate import (
    Generated,
    generated,
    place_in_definition,
    refuse_without_endpoint,
)
from kapi.apis.kinds import DEFAULT
from kapi.apis.model.choices import NO_CHOICES, Choices
from kapi.dataclass import dataclass
from kapi.error_codes import ErrorCode
from kapi.errors import Diagnostic, Invalid
from kapi.front.cli.output import InvalidInput, explain_all
from kapi.front.cli.terminal.asking import asked

_OPTIONS = {
    "#/name": "--name",
    "#/version": "--version",
    "#/basePath": "--base-path",
    "#/endpointConfigurations": "--endpoint",
}


def named(error: Invalid, files: dict[str, tuple[str, bytes]]) -> InvalidInput:
    """The error with the names of files in place of the names of the parts."""
    items = tuple(
        replace(item, source=files[item.source][0]) if item.source in files else item
        for item in error.diagnostics
    )
    texts = {
        name: content.decode("utf-8", "replace") for name, content in files.values()
    }
    return InvalidInput(Invalid(items, _code_of(error)), texts)


def _code_of(error: Invalid) -> ErrorCode:
    return ErrorCode(error.code, error.status, error.title)


@dataclass(frozen=True, slots=True)
class Source:
    """A definition, what it is called, and what the person says in its place."""

    content: bytes
    name: str
    api_type: str = DEFAULT.type
    choices: Choices = NO_CHOICES

    @classmethod
    def of(cls, content: bytes, name: str, api_type: str, choices: Choices) -> Source:
        """A definition of a type, or of the type that its content has if `api_type` is empty.

        Asks for name, version and base path if the definition names none and a person can answer.
        """
        found = api_type or detected_type(content, name)
        return cls(content, name, found, asked(content, name, found, choices))

    def generated(self) -> Generated:
        """The conf. Prints the warnings. Raises InvalidInput with the mistakes."""
        made = self._made()
        explain_all(made.warnings, self.name, self.content)
        return made

    def deployable(self) -> Generated:
        """The same. A definition without an endpoint is refused, with this one mistake."""
        made = self._made()
        try:
            refuse_without_endpoint(made)
        except Invalid as error:
            files = {"definitionFile": (self.name, self.content)}
            raise named(error, files) from error
        explain_all(made.warnings, self.name, self.content)
        return made

    def _made(self) -> Generated:
        # What is made of a document lives until it is answered; looking for garbage meanwhile takes
        # as long as reading it.
        gc.disable()
        try:
            return generated(
                self.content, self.api_type, self.name.rpartition("/")[2], self.choices
            )
        except Invalid as error:
            raise named(
                error,
                {item.source: (self.name, self.content) for item in error.diagnostics},
            ) from error
        finally:
            gc.enable()

    def about(self, error: Invalid, made: Generated) -> InvalidInput:
        """Mistakes of the generated conf, at their places in the definition or the options."""
        own = []
        for item in error.diagnostics:
            if item.source == "apkConfiguration":
                own.append(item)
        placed = {}
        if own:
            placed = dict(
                zip(
                    own,
                    place_in_definition(made, self.content, self.api_type, own),
                    strict=True,
                )
            )
        items = tuple(
            self._option(item) or placed.get(item, item) for item in error.diagnostics
        )
        return named(
            Invalid(items, _code_of(error)),
            {"definitionFile": (self.name, self.content)},
        )

    def _option(self, item: Diagnostic) -> Diagnostic | None:
        """The mistake as one of the option that it comes from, if it comes from one."""
        given = {
            "#/name": self.choices.name,
            "#/version": self.choices.version,
            "#/basePath": self.choices.base_path,
            "#/endpointConfigurations": self.choices.production or self.choices.sandbox,
        }
        options = [pointer for pointer, value in given.items() if value]
        pointer = next(filter(item.pointer.startswith, options), None)
        if item.source != "apkConfiguration" or pointer is None:
            return None
        return replace(item, source=_OPTIONS[pointer], line=0, column=0)
