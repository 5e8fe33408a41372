"""Secrets by reference: `{env: NAME}` is an environment variable, `{file: PATH}` a file.

Called where documents are read: by `kapi apply`, and for seeds of tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from kapi.dataclass import dataclass

_LARGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Value:
    """What a reference names, or what is wrong with it."""

    text: str = field(default="", repr=False)
    mistake: str = ""
    file: str = ""
    """The file that was read."""


def value_of(
    reference: Mapping[str, Any], folder: Path, environ: Mapping[str, str]
) -> Value:
    """The value of a reference; names of files are relative to the folder."""
    variable, file = reference.get("env"), reference.get("file")
    if len(reference) == 1 and isinstance(variable, str):
        text = environ.get(variable, "")
        if text:
            return Value(text)
        return Value(mistake=f"the variable {variable} is not set")
    if len(reference) == 1 and isinstance(file, str):
        return _content(folder / file)
    return Value(mistake="must be {env: NAME} or {file: PATH}")


def _content(path: Path) -> Value:
    """The text of a file without its last line end."""
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        text = content.decode("utf-8")
    except OSError as error:
        return Value(mistake=f"cannot read {path}: {error.strerror}", file=name)
    except UnicodeDecodeError:
        return Value(mistake=f"{path} is not UTF-8", file=name)
    if len(content) > _LARGEST:
        return Value(mistake=f"{path} has more than {_LARGEST} bytes", file=name)
    return Value(text.removesuffix("\n").removesuffix("\r"), file=name)
