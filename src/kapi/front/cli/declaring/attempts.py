"""Attempts of `kapi apply --watch`: what each one says, and whether it is made again."""

from __future__ import annotations

from collections.abc import Callable

import typer

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.front.cli.declaring.files import Reading
from kapi.front.cli.declaring.watching import Stamp, stamp
from kapi.front.cli.output import Exit, InvalidInput, exit_code, fail, say


@dataclass(slots=True)
class Attempts:
    """One attempt after another to apply files.

    While the platform does not answer, each is made again: the change would be lost otherwise.
    """

    given: frozenset[str]
    """The files and folders that the command line names."""
    read: Callable[[], Reading]
    apply: Callable[[Reading], None]
    names: frozenset[str] = frozenset()
    """The files that the last complete reading named."""
    away: str = ""
    """Why the platform did not answer the last time."""

    def look(self) -> Stamp:
        """The state of the files."""
        return stamp(self.given | self.names)

    def work(self) -> bool:
        """Make one attempt; whether it has to be made again. The same reason is shown once."""
        told, self.away = self.away, ""
        try:
            reading = self.read()
            self.names = frozenset(reading.names)
            self.apply(reading)
        except InvalidInput as error:
            fail(error.problem, error.sources)
        except KapiError as error:
            if exit_code(error) == Exit.ENVIRONMENT:
                self.away = str(error)
            if not self.away or self.away != told:
                fail(error)
        except typer.Exit:
            pass  # the reason is on the terminal
        if not self.away:
            say("waiting for changes; Ctrl-C ends it")
        elif self.away != told:
            say("trying again until the platform answers; Ctrl-C ends it")
        return bool(self.away)
