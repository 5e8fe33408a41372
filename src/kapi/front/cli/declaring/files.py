"""The files that `-f` names: a file, a folder with all files below it, or standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import Final

from kapi.dataclass import dataclass
from kapi.errors import Diagnostic
from kapi.front.cli.declaring.documents import Document, documents_of
from kapi.front.cli.declaring.entries import API, Entry, entry_of, file_value, is_conf
from kapi.front.cli.declaring.references import without_secrets
from kapi.front.cli.options import is_definition, read_input
from kapi.front.cli.output import usage

CONF: Final = ".apk-conf"
_ENDINGS: Final = frozenset({".yaml", ".yml", CONF})
_DEFINITIONS: Final = (
    ".yaml",
    ".yml",
    ".json",
    ".graphql",
    ".graphqls",
    ".gql",
    ".proto",
)
_MOST_FILES: Final = 10_000
_ONE_HINT: Final = "Declare it with `kind: API`, `conf: FILE` and `definition: FILE`."


@dataclass(slots=True)
class Reading:
    """What was read: entries, mistakes, and texts of the files for messages, without secrets."""

    plain: bool
    """Whether the files may contain secrets."""
    entries: list[Entry] = field(default_factory=list)
    mistakes: list[Diagnostic] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> set[str]:
        """All files that were read."""
        return {
            *self.texts,
            *(name for entry in self.entries for name in entry.secret_files),
        }

    def take(self, name: str, content: bytes) -> None:
        """Take up the documents of a file."""
        found, mistakes = documents_of(content, name)
        text = content.decode("utf-8", "replace").removeprefix("\ufeff")
        self.texts[name] = text
        self.mistakes += mistakes
        folder = Path() if name == "-" else Path(name).parent
        for document in found:
            if is_conf(document):
                conf = text if len(found) == 1 else document.text
                self._take_conf(document, conf, folder)
                continue
            entry, wrong = entry_of(document, folder, plain=self.plain)
            self.texts[name] = without_secrets(self.texts[name], document, entry.kind)
            self.mistakes += wrong
            self.entries.append(entry)
            self.texts |= dict(entry.files.values())

    def _take_conf(self, document: Document, conf: str, folder: Path) -> None:
        """Take up an apk-conf as it is, with the definition beside it."""
        beside = _definitions(folder, Path(document.source).stem)
        if len(beside) != 1:
            names = ", ".join(path.name for path in beside) or "none"
            message = f"which definition belongs to this conf? (beside it: {names})"
            self.mistakes.append(document.mistake("#", message, _ONE_HINT))
            return
        path = beside[0]
        content = path.read_bytes()
        definition = content.decode("utf-8", "replace")
        name = document.source
        files = {"definition": (str(path), definition)}
        if document.offset == 0:
            files["conf"] = (name, conf)
        members = {"conf": conf, "definition": file_value(content)}
        self.entries.append(Entry(API, document, members, files))
        self.texts[str(path)] = definition


def read_all(names: Iterable[str], *, plain: bool) -> Reading:
    """Everything that these files, folders or standard input (`-`) declare."""
    reading = Reading(plain)
    for name in names:
        if name != "-" and Path(name).is_dir():
            for path in _files_below(Path(name)):
                content = read_input(str(path))
                if path.suffix == CONF or not is_definition(content, path.name):
                    reading.take(str(path), content)
        else:
            reading.take(name, read_input(name))
    return reading


def _files_below(folder: Path) -> Iterator[Path]:
    """The files below a folder that may declare something, by name; no hidden ones."""
    count = 0
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.suffix not in _ENDINGS or not path.is_file():
            continue
        count += 1
        if count > _MOST_FILES:
            usage(
                f"{folder} has more than {_MOST_FILES} files", "Name a smaller folder."
            )
        yield path


def _definitions(folder: Path, stem: str) -> list[Path]:
    """The definition with the name of a conf, or else all definitions in its folder."""
    named = [folder / f"{stem}{ending}" for ending in _DEFINITIONS]
    for group in (named, sorted(folder.iterdir())):
        found = []
        for path in group:
            if path.suffix in _DEFINITIONS and path.is_file() and _defines(path):
                found.append(path)
        if found:
            return found
    return []


def _defines(path: Path) -> bool:
    return is_definition(path.read_bytes(), path.name)
