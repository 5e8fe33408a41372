"""The long proof: identity workers are killed at random while codes are redeemed and tokens
refreshed and revoked.

No code is redeemed twice, no refresh token is used twice, and what was answered as revoked stays
revoked.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flows import CALLBACK, code_for, redeem, refresh
from harness import Platform, free_port
from idp import basic
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, authorize_path, over_https

pytestmark = pytest.mark.long
SECONDS, CLIENTS = 40.0, 6
LIMIT = 400.0
"""Seconds. A busy machine needs longer for the same number of uses."""


class Load:
    """What clients do, and what they were told."""

    def __init__(self, port: int, cookies: dict[str, str]) -> None:
        self.port, self.cookies = port, cookies
        self.redeemed: Counter[str] = Counter()
        self.used: Counter[str] = Counter()
        self.dead: list[dict[str, Any]] = []
        self.answers: Counter[int] = Counter()
        self.stop = threading.Event()
        self.lock = threading.Lock()

    def is_enough(self) -> bool:
        """Whether so much was used and revoked that a lost write would have been seen."""
        return self.answers[200] > 200 and len(self.dead) > 20

    def run(self, seed: int) -> None:
        rng = random.Random(seed)
        person = Person(over_https(self.port), cookies=dict(self.cookies))
        while not self.stop.is_set():
            try:
                self._once(person, rng)
            except (OSError, KeyError, ValueError, AssertionError, StopIteration):
                time.sleep(
                    0.02
                )  # The worker is gone; the next try is a new authorization.

    def _once(self, person: Person, rng: random.Random) -> None:
        code = person.open(
            authorize_path(CLIENT, CALLBACK, prompt="none", scope="openid")
        ).parameters["code"]
        answers = self._both(lambda: redeem(person, code))
        self._count(self.redeemed, code, answers)
        tokens = next(answer.json() for answer in answers if answer.status == 200)
        if len([answer for answer in answers if answer.status == 400]) == 1:
            with self.lock:
                self.dead.append(tokens)
            return
        for _ in range(rng.randrange(4)):
            before = tokens["refresh_token"]
            answers = (
                self._both(lambda token=before: refresh(person, token))
                if rng.random() < 0.3
                else [refresh(person, before)]
            )
            self._count(self.used, before, answers)
            tokens = next(answer.json() for answer in answers if answer.status == 200)
            if len(answers) == 2 and {answer.status for answer in answers} == {
                200,
                400,
            }:
                with self.lock:
                    self.dead.append(tokens)
                return
        body = f"token={tokens['refresh_token']}".encode()
        if (
            rng.random() < 0.5
            and Person(person.send)
            .ask("POST", "/oauth2/revoke", body, authorization=basic())
            .status
            == 200
        ):
            with self.lock:
                self.dead.append(tokens)

    def _both(self, use: Any) -> list[Page]:
        """Now and then twice at once."""
        got: list[Page] = []

        def one() -> None:
            try:
                got.append(use())
            except OSError:
                got.append(Page(0, [], b""))

        threads = [
            threading.Thread(target=one) for _ in range(random.choice((1, 1, 2)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return got

    def _count(self, counter: Counter[str], secret: str, answers: list[Page]) -> None:
        with self.lock:
            for answer in answers:
                self.answers[answer.status] += 1
                counter[secret] += answer.status == 200


def test_kill_9_while_codes_and_refresh_tokens_are_used(tmp_path: Path) -> None:
    platform = Platform(free_port(), tmp_path / "data", arguments=("--workers", "2"))
    platform.start()
    try:
        person = Person(over_https(platform.port))
        code_for(person, scope="openid")
        load = Load(platform.port, person.cookies)
        threads = [
            threading.Thread(target=load.run, args=(seed,)) for seed in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        rng, begun, kills, used_before = random.Random(6749), time.monotonic(), 0, 0
        while time.monotonic() < begun + (SECONDS if load.is_enough() else LIMIT):
            time.sleep(rng.uniform(0.3, 1.5))
            # A worker that starts slowly is not killed before it has answered.
            if load.answers[200] < used_before + rng.randrange(12):
                continue
            used_before = load.answers[200]
            pid = platform.pid(rng.choice(("identity-0", "identity-1")))
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                kills += 1
        load.stop.set()
        for thread in threads:
            thread.join()
        time.sleep(2)
        assert kills > 10
        assert load.is_enough(), load.answers
        assert max(load.redeemed.values()) == 1
        assert max(load.used.values()) == 1
        for tokens in load.dead:
            assert refresh(person, tokens["refresh_token"]).status == 400
            told = Person(person.send).ask(
                "GET",
                "/oauth2/userinfo",
                authorization=f"Bearer {tokens['access_token']}",
            )
            assert told.status == 401
    finally:
        platform.stop()
