"""What `kapi deploy` sends: a conf and its definition, or a conf generated from a definition."""

from __future__ import annotations

from collections.abc import Callable

from kapi.apis.generate import NO_CHOICES, Choices
from kapi.dataclass import dataclass
from kapi.errors import Invalid
from kapi.front.cli.generating import Source, named, refuse_size
from kapi.front.cli.options import find_definition, is_definition, read_input
from kapi.front.cli.output import InvalidInput, usage
from kapi.settings import Settings


@dataclass(frozen=True, slots=True)
class Upload:
    """A conf and a definition."""

    conf: bytes
    definition: bytes
    located: Callable[[Invalid], InvalidInput]
    """The mistakes of the response, each with the file or option that contains it."""


def upload_of(
    name: str, definition: str | None, choices: Choices, settings: Settings
) -> Upload:
    """The upload of the file `name`: a conf, or a definition to generate one from.

    Raises InvalidInput for a definition that gives no conf, Problem for one that is too large.
    """
    content = read_input(name)
    if definition is None and is_definition(content, name):
        return _generated(
            Source.of(refuse_size(content, name, settings), name, "", choices)
        )
    if choices != NO_CHOICES:
        usage(
            "--name, --version, --base-path and --endpoint go with a definition alone",
            "Write them into the conf instead.",
        )
    return _read(name, content, definition or find_definition(name), settings)


def _generated(source: Source) -> Upload:
    made = source.deployable()
    return Upload(
        made.conf_text.encode(), source.content, lambda error: source.about(error, made)
    )


def _read(name: str, conf: bytes, definition_name: str, settings: Settings) -> Upload:
    definition = refuse_size(read_input(definition_name), definition_name, settings)
    files = {
        "apkConfiguration": (name, conf),
        "definitionFile": (definition_name, definition),
    }
    return Upload(conf, definition, lambda error: named(error, files))
