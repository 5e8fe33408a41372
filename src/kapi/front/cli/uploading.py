"""What `kapi deploy` sends: a conf and its definition, or an OpenAPI document alone.

The platform generates the conf of a document alone, so that one process reads it. The definitions
of other languages are small; their confs are generated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from kapi.apis.model.choices import NO_CHOICES, Choices
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic, Invalid
from kapi.front.cli.compiling import say_warnings
from kapi.front.cli.options import (
    find_definition,
    is_definition,
    is_openapi,
    read_input,
    refuse_size,
)
from kapi.front.cli.output import InvalidInput, explain_all, usage

if TYPE_CHECKING:
    from kapi.front.cli.generating import Source
    from kapi.settings import Settings

_DEFINITION: Final = "definitionFile"


@dataclass(frozen=True, slots=True)
class Upload:
    """A conf and a definition."""

    conf: bytes
    definition: bytes
    located: Callable[[Invalid], InvalidInput]
    """The mistakes of the response, each with the file or option that contains it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line names: a conf, with its definition or without, or a definition."""

    name: str
    content: bytes
    definition: str | None
    choices: Choices
    """What is said in place of a definition alone."""
    settings: Settings

    @property
    def is_document_alone(self) -> bool:
        """Whether it is an OpenAPI document. Raises Problem for one that is too large."""
        if self.definition is not None or not is_openapi(self.content, self.name):
            return False
        refuse_size(self.content, self.name, self.settings)
        return True

    def upload(self) -> Upload:
        """The conf, generated if there is none, and the definition.

        Raises InvalidInput for a definition that gives no conf, Problem for one that is too large.
        """
        if self.definition is None and is_definition(self.content, self.name):
            return self._generated()
        if self.choices != NO_CHOICES:
            usage(
                "--name, --version, --base-path and --endpoint go with a definition alone",
                "Write them into the conf instead.",
            )
        return self._read(self.definition or find_definition(self.name))

    def tell(self, warnings: Iterable[Diagnostic], *, all_fit: bool) -> None:
        """Write the warnings of the platform about a document and the conf that it has made.

        If they did not all fit into its answer, those about the document are found here.
        """
        about_document: list[Diagnostic] = []
        about_conf: list[Diagnostic] = []
        for item in warnings:
            listed = about_document if item.source == _DEFINITION else about_conf
            listed.append(item)
        if all_fit:
            explain_all(about_document, self.name, self.content)
        else:
            self._source().generated()
        say_warnings(about_conf)

    def _source(self) -> Source:
        from kapi.front.cli.generating import Source

        refuse_size(self.content, self.name, self.settings)
        return Source.of(self.content, self.name, "", self.choices)

    def _generated(self) -> Upload:
        source = self._source()
        made = source.deployable()
        return Upload(
            made.conf_text.encode(),
            source.content,
            lambda error: source.about(error, made),
        )

    def _read(self, definition_name: str) -> Upload:
        from kapi.front.cli.generating import named

        definition = read_input(definition_name)
        refuse_size(definition, definition_name, self.settings)
        files = {
            "apkConfiguration": (self.name, self.content),
            _DEFINITION: (definition_name, definition),
        }
        return Upload(self.content, definition, lambda error: named(error, files))
