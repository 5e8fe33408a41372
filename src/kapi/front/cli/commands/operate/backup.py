"""Commands about all state: `kapi dump` and `kapi restore`, by the state API."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.errors import KapiError
from kapi.front.cli.client import Client, problem_of_answer
from kapi.front.cli.options import Config, DataDir, read_input, settings_of
from kapi.front.cli.output import fail, put, say, usage

if TYPE_CHECKING:
    from kapi.front.cli.declaring.files import Reading

SCOPE = "kapi:backup"
VARIABLE = "KAPI_PASSPHRASE"
_SEALED = "Sealed"
_AT_ONCE = 40
"""Objects of one request."""
_OWNER_ONLY = 0o600

DumpFile = Annotated[
    Path | None,
    typer.Option(
        "--write",
        metavar="FILE",
        help="Write this file, for its owner only.",
        show_default=False,
    ),
]
PassphraseFile = Annotated[
    str | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help=f"The passphrase of the secrets; else the variable {VARIABLE}.",
        show_default=False,
    ),
]


def dump(
    write: DumpFile = None,
    passphrase_file: PassphraseFile = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Write all state as documents for kapi apply; secrets with a passphrase only.

    Examples:
      kapi dump --write platform.yaml
      kapi dump --write backup.yaml --passphrase-file passphrase
    """
    from kapi.front.cli.declaring.writing import yaml_text

    passphrase = _passphrase(passphrase_file)
    client = Client(settings_of(data_dir, config))
    body = {"passphrase": passphrase}
    objects: list[dict[str, Any]] = client.call("POST", "/api/dump", body, scope=SCOPE)[
        "objects"
    ]
    text = yaml_text(objects)
    if write is None:
        put(text)
    else:
        _write(write, text)
    counts = Counter(str(item["kind"]) for item in objects)
    say(
        ", ".join(f"{count} {kind}" for kind, count in counts.items())
        or "nothing to dump"
    )
    if not passphrase:
        say(
            f"secrets are left out; with a passphrase ({VARIABLE}) they are in the file, encrypted"
        )


def restore(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="What kapi dump wrote.")
    ],
    passphrase_file: PassphraseFile = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Bring back what kapi dump wrote, on an empty platform.

    Examples:
      kapi restore backup.yaml --passphrase-file passphrase
    """
    from kapi.front.cli.declaring.files import read_all
    from kapi.front.cli.declaring.sending import refuse_mistakes

    client = Client(settings_of(data_dir, config))
    reading = read_all([file], plain=True)
    refuse_mistakes(reading)
    sealed = ""
    for entry in reading.entries:
        if entry.kind == _SEALED:
            sealed = str(entry.members.get("content", ""))
    passphrase = _passphrase(passphrase_file)
    if sealed and not passphrase:
        usage(
            f"{file} has encrypted secrets",
            f"Give --passphrase-file FILE, or set {VARIABLE}.",
        )
    count = _restored(client, reading, {"sealed": sealed, "passphrase": passphrase})
    say(f"{count} objects restored")
    if sealed:
        say("the keys are those of the dump: start kapi again now (kapi down, kapi up)")


def _restored(client: Client, reading: Reading, first: dict[str, Any]) -> int:
    """Restore some objects at a time; their number. Ends the command at a failure."""
    from kapi.front.cli.declaring.portions import portions
    from kapi.front.cli.declaring.sending import refused_answer

    numbered = []
    for number, entry in enumerate(reading.entries):
        if entry.kind != _SEALED:
            numbered.append((number, entry))
    headers = {"Content-Type": "application/json"}
    count = 0
    for part in portions(numbered, _AT_ONCE):
        objects = [{"kind": entry.kind, **entry.members} for _, entry in part.items]
        more = first if part.is_first else {"more": True}
        body = json.dumps({"objects": objects, **more}).encode()
        answer = client.answer("POST", "/api/restore", body, headers, scopes=(SCOPE,))
        made = answer.members.get("objects", [])
        count += len(made)
        if answer.status >= 400:
            if made:
                say(f"{count} objects were sent; kapi dump shows what was restored")
                raise typer.Exit(fail(problem_of_answer(answer)))
            raise refused_answer(answer, part.items, reading)
    return count


def _passphrase(file: str | None) -> str:
    """From a file, without its line end, or from the environment; empty if there is none."""
    if file is None:
        return os.environ.get(VARIABLE, "")
    try:
        return read_input(file).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        hint = "A passphrase is text, such as several random words."
        raise KapiError("input", f"{file} is not UTF-8", hint=hint) from None


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, _OWNER_ONLY)
        file.write(text)
